#include <stdio.h>

#include "cmd/cmd.h"
#include "config.h"

int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("jumpvpnd %s\n", PACKAGE_VERSION);
	return EXIT_DONE;
}
