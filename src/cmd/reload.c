#include "cmd/client.h"
#include "cmd/cmd.h"

int cmd_reload(int argc, char **argv)
{
	static const struct client_usage usage = {
		.synopsis = "",
		.text = "Makes the daemon read its configuration again, as SIGHUP does, and says what came of\n"
			"it. A file with errors changes nothing. Sessions stay.\n",
	};

	return client_tell(argc, argv, &usage);
}
