/* The subcommands: one list that makes prototypes, dispatch and help. */
#pragma once

/* X(name, function, summary): cmd_request() looks up by its name what it asks a daemon. */
#define CMD_LIST(X)                                                                                \
	X(run, run, "run the daemon, as gateway or client")                                             \
	X(check, check, "check a configuration file")                                                     \
	X(keygen, keygen, "make a private key")                                                            \
	X(pubkey, pubkey, "derive the public key of a private key")                                        \
	X(status, request, "what the daemon is doing")                                                      \
	X(sessions, request, "list the sessions")                                                           \
	X(show, request, "all about one session")                                                           \
	X(jump, request, "move a session to another path")                                                  \
	X(terminate, request, "end a session")                                                              \
	X(rekey, request, "agree on new keys for a session")                                                \
	X(events, events, "what happened, and what happens")                                               \
	X(reload, request, "read the configuration again")                                                  \
	X(verify, verify, "prove audit logs: whole, and no rule broken")                                   \
	X(timeline, timeline, "draw what happened to sessions, from audit logs")                             \
	X(undo, undo, "take back what a killed client has left")                                         \
	X(version, version, "which version this is")

/* Exit codes of all subcommands. */
enum cmd_exit {
	EXIT_DONE = 0,
	EXIT_NO = 1,          /* the answer is no, or the input is wrong */
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3, /* no daemon answers */
};

#define CMD_EXIT_CODES                                                                             \
	"Exit codes: 0 done, 1 the answer is no or the input is wrong, 2 usage, 3 no daemon answers.\n"

/* argv[0] is the name of the subcommand; the answer is an exit code. */
#define X(name, function, summary) int cmd_##function(int argc, char **argv);
CMD_LIST(X)
#undef X
