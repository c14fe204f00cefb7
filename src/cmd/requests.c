/* The commands that are one request to the daemon, of the same name, and one answer. */
#include <getopt.h>
#include <string.h>

#include "cmd/ask.h"
#include "cmd/cmd.h"
#include "cmd/fill.h"
#include "cmd/render.h"

enum { OPERANDS = 2 };

/* clang-format off */
static const struct request {
	const char *name;
	/* What the operands are called in the request. Where fewer are given, the first are left out. */
	const char *operand[OPERANDS];
	void (*render)(FILE *out, const json_t *answer, bool colour); /* NULL: the answer is a note */
	struct ask_usage usage;
} requests[] = {
	{ "status", { NULL }, render_status, {
		.synopsis = "",
		.text = "Shows what the daemon is doing, since when, until when at most, and what comes next.\n",
	} },
	{ "sessions", { NULL }, render_sessions, {
		.synopsis = "",
		.text = "Lists the sessions, one a line, with state, active path and traffic.\n",
	} },
	{ "show", { "session" }, render_show, {
		.synopsis = "[SESSION]",
		.text = "Shows all about one session: state, bounds, paths, traffic. SESSION is the beginning\n"
			"of its ID, or its peer; it may be left out where there is only one.\n",
		.most = 1,
	} },
	{ "jump", { "session", "path" }, NULL, {
		.synopsis = "[SESSION] PATH",
		.text = "Moves a session to another of its paths. SESSION is the beginning of its ID, or its\n"
			"peer; it may be left out where there is only one. PATH is the name or the number that\n"
			"\"jumpvpnd show\" tells. The jump keeps the rules of the policy: it is refused during\n"
			"a cooldown, and when no switch is left in this minute.\n",
		.least = 1,
		.most = 2,
	} },
	{ "terminate", { "session" }, NULL, {
		.synopsis = "[SESSION]",
		.text = "Ends a session: its keys are wiped and its connections break. The client may open a\n"
			"new one; to keep it out, remove the peer from the configuration and reload. SESSION\n"
			"is the beginning of its ID, or its peer; it may be left out where there is only one.\n",
		.most = 1,
	} },
	{ "rekey", { "session" }, NULL, {
		.synopsis = "[SESSION]",
		.text = "Has both ends of a session agree on new keys now, not when they are due. The session\n"
			"stays; the audit log says SessionRekeyed when it is done. SESSION is the beginning\n"
			"of its ID, or its peer; it may be left out where there is only one.\n",
		.most = 1,
	} },
	{ "reload", { NULL }, NULL, {
		.synopsis = "",
		.text = "Makes the daemon read its configuration again, as SIGHUP does, and says what came of\n"
			"it. A file with errors changes nothing. Sessions stay.\n",
	} },
};
/* clang-format on */

static void render_note(FILE *out, const json_t *answer, bool colour)
{
	(void)colour;
	fill(out, "{note|done}\n", answer);
}

static json_t *request_make(const struct request *r, int given, char **operand)
{
	json_t *o = json_pack("{s:s}", "command", r->name);

	for (int i = 0; i < given; i++)
		json_object_set_new(o, r->operand[r->usage.most - given + i], json_string(operand[i]));
	return o;
}

int cmd_request(int argc, char **argv)
{
	const struct request *r = requests;
	struct ask_options o;
	json_t *answer;
	int code;

	while (strcmp(r->name, argv[0]) != 0) /* CMD_LIST sends none here that has no row */
		r++;
	code = ask_options(&o, argc, argv, &r->usage);
	if (code >= 0)
		return code;
	code = ask_call(&o, request_make(r, argc - optind, argv + optind), &answer);
	if (answer && !o.json)
		(r->render ? r->render : render_note)(stdout, answer, ask_colour());
	json_decref(answer);
	return code;
}
