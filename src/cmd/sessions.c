#include <stdio.h>

#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/render.h"

int cmd_sessions(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "",
		.text = "Lists the sessions, one a line, with state, active path and traffic.\n",
	};
	struct client_options o;
	json_t *answer;
	int code = client_options(&o, argc, argv, &usage);

	if (code >= 0)
		return code;
	code = client_call(&o, json_pack("{s:s}", "command", "sessions"), &answer);
	if (answer && !o.json)
		render_sessions(stdout, answer, client_colour());
	json_decref(answer);
	return code;
}
