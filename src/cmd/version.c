/* version: what this program is, for reports and for those who deploy it. */
#include <jansson.h>
#include <stdio.h>
#include <uv.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "commit.h"
#include "config.h"
#include "crypto/crypto.h"
#include "jumpvpn/proto.h"

static const char usage[] =
	"usage: jumpvpnd version [--json]\n\n"
	"Writes version, commit, protocol, and the libraries in use, as they were found at the start.\n\n"
	"      --json  as one JSON object\n"
	"  -h, --help  this text\n\n" CMD_EXIT_CODES;

/* The nth library and its version; NULL behind the last. */
static const char *library(unsigned int n, const char **name)
{
	switch (n) {
	case 0:
		*name = "libuv";
		return uv_version_string();
	case 1:
		*name = "jansson";
		return jansson_version_str();
	default:
		return crypto_library(n - 2, name);
	}
}

static void print_text(void)
{
	const char *name, *version;

	printf("jumpvpnd %s\n", PACKAGE_VERSION);
	printf("  %-10s  %s\n", "commit", COMMIT);
	printf("  %-10s  %s\n", "date", COMMIT_DATE);
	printf("  %-10s  %s\n", "protocol", PROTO_PROLOGUE);
	for (unsigned int n = 0; (version = library(n, &name)); n++)
		printf("  %-10s  %s\n", name, version);
}

static void print_json(void)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "version", PACKAGE_VERSION, "commit", COMMIT, "date",
			      COMMIT_DATE, "protocol", PROTO_PROLOGUE);
	json_t *libraries = json_object();
	const char *name, *version;

	for (unsigned int n = 0; (version = library(n, &name)); n++)
		json_object_set_new(libraries, name, json_string(version));
	json_object_set_new(o, "libraries", libraries);
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

int cmd_version(int argc, char **argv)
{
	bool json = false;
	const struct option_place places[] = { { .name = "json", .flag = &json }, { NULL } };
	const struct option_usage operands = { usage, .least = 0, .most = 0 };
	const int code = options_read(argc, argv, places, &operands);

	if (code >= 0)
		return code;
	if (json)
		print_json();
	else
		print_text();
	return EXIT_DONE;
}
