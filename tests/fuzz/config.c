/* A configuration or errors, never both, never neither; a good one says itself in a way that is good again. */
#include "fuzz.h"

#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

static char dir[] = "/tmp/jumpvpn-fuzz.XXXXXX";

static void leave(void)
{
	if (unlink("key") || rmdir(dir))
		perror(dir);
}

/* A directory with a key file, for files that name one. */
static void enter(void)
{
	FILE *f;

	HOLDS(mkdtemp(dir) && chdir(dir) == 0);
	f = fopen("key", "w");
	HOLDS(f && fputs("Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M=\n", f) >= 0 && fclose(f) == 0);
	HOLDS(chmod("key", 0600) == 0);
	atexit(leave);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool entered;
	struct config_errors errors;
	struct config *c;

	if (!entered)
		enter();
	entered = true;
	c = config_parse("fuzz", (const char *)data, size, &errors);
	HOLDS((c != NULL) == (errors.count == 0));
	for (size_t i = 0; i < errors.count; i++) {
		char *line = config_error_format(&errors.list[i]);

		HOLDS(line && !strpbrk(line, "\033\r\t") && strchr(line, '\n') == line + strlen(line) - 1);
		free(line);
	}
	config_errors_free(&errors);
	if (c) {
		char *text = config_effective(c);

		HOLDS(text);
		free(text);
	}
	config_free(c);
	return 0;
}
