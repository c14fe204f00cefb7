/* The subcommands: one file each, one list that makes prototypes, dispatch and help. */
#pragma once

/* X(name, summary) */
#define CMD_LIST(X)                                                                                \
	X(run, "run the daemon, as gateway or client")                                             \
	X(check, "check a configuration file")                                                     \
	X(keygen, "make a private key")                                                            \
	X(pubkey, "derive the public key of a private key")                                        \
	X(status, "what the daemon is doing")                                                      \
	X(sessions, "list the sessions")                                                           \
	X(show, "all about one session")                                                           \
	X(jump, "move a session to another path")                                                  \
	X(terminate, "end a session")                                                              \
	X(rekey, "agree on new keys for a session")                                                \
	X(events, "what happened, and what happens")                                               \
	X(reload, "read the configuration again")                                                  \
	X(verify, "prove audit logs: whole, and no rule broken")                                   \
	X(timeline, "draw what happened to sessions, from audit logs")                             \
	X(undo, "take back what a killed client has left")                                         \
	X(version, "which version this is")

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
#define X(name, summary) int cmd_##name(int argc, char **argv);
CMD_LIST(X)
#undef X
