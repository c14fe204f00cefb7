#include <getopt.h>

#include "cmd/client.h"
#include "cmd/cmd.h"

int cmd_jump(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "[SESSION] PATH",
		.text = "Moves a session to another of its paths. SESSION is the beginning of its ID, or its\n"
			"peer; it may be left out where there is only one. PATH is the name or the number that\n"
			"\"jumpvpnd show\" tells. The jump keeps the rules of the policy: it is refused during\n"
			"a cooldown, and when no switch is left in this minute.\n",
		.least = 1,
		.most = 2,
	};
	struct client_options o;
	int code = client_options(&o, argc, argv, &usage);

	if (code >= 0)
		return code;
	return client_command(&o, json_pack("{s:s, s:s*, s:s}", "command", "jump", "session",
					  argc - optind == 2 ? argv[optind] : NULL, "path", argv[argc - 1]));
}
