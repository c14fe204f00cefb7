#include <stdio.h>

#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/render.h"

int cmd_status(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "",
		.text = "Shows what the daemon is doing, since when, until when at most, and what comes next.\n",
	};
	struct client_options o;
	json_t *answer;
	int code = client_options(&o, argc, argv, &usage);

	if (code >= 0)
		return code;
	code = client_call(&o, json_pack("{s:s}", "command", "status"), &answer);
	if (answer && !o.json)
		render_status(stdout, answer, client_colour());
	json_decref(answer);
	return code;
}
