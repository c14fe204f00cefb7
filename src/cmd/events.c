#include <stdio.h>

#include "cmd/ask.h"
#include "cmd/cmd.h"
#include "cmd/render.h"

static void print_event(const struct ask_options *o, const json_t *record, const char *text)
{
	if (o->json)
		puts(text);
	else
		render_event(stdout, record, ask_colour());
}

static int follow(const struct ask_options *o, json_t *request)
{
	struct ask *c;
	int code = ask_open(&c, o, request);
	const char *text;
	json_t *line;

	if (code != EXIT_DONE)
		return code;
	line = ask_next(c, NULL);
	if (line && !ask_accepted(o, line))
		code = EXIT_NO;
	ask_wait_forever(c);
	while (line && code == EXIT_DONE) {
		json_decref(line);
		line = ask_next(c, &text);
		if (line)
			print_event(o, line, text);
		if (fflush(stdout) != 0) /* nobody reads any more */
			code = EXIT_NO;
	}
	if (code == EXIT_DONE) {
		fprintf(stderr, "jumpvpnd events: the daemon has closed the connection\n");
		code = EXIT_UNREACHABLE;
	}
	json_decref(line);
	ask_close(c);
	return code;
}

static int backlog(struct ask_options *o, json_t *request)
{
	bool json = o->json;
	json_t *answer, *record;
	size_t i;
	int code;

	o->json = false; /* one record a line here too, not the answer around them */
	code = ask_call(o, request, &answer);
	o->json = json;
	json_array_foreach(json_object_get(answer, "events"), i, record) {
		if (!json) {
			render_event(stdout, record, ask_colour());
			continue;
		}
		json_dumpf(record, stdout, JSON_COMPACT);
		putchar('\n');
	}
	if (code == EXIT_DONE && o->session && json_array_size(json_object_get(answer, "events")) == 0) {
		fprintf(stderr, "jumpvpnd events: no record of a session or peer \"%s\"\n", o->session);
		code = EXIT_NO;
	}
	json_decref(answer);
	return code;
}

int cmd_events(int argc, char **argv)
{
	static const struct ask_usage usage = {
		.synopsis = "",
		.text = "Shows the latest audit records, oldest first, one a line; with --json as they are in\n"
			"the audit log.\n",
		.takes = ASK_FOLLOW | ASK_SESSION,
	};
	struct ask_options o;
	json_t *request;
	int code = ask_options(&o, argc, argv, &usage);

	if (code >= 0)
		return code;
	request = json_pack("{s:s, s:b, s:s*}", "command", "events", "follow", (int)o.follow, "session",
			    o.session);
	return o.follow ? follow(&o, request) : backlog(&o, request);
}
