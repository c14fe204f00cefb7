/* `jumpvpnd check`: says of configuration files what a start or a reload would say of them. */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "config/config.h"

static const char usage[] =
	"usage: jumpvpnd check [--effective] [--json] FILE...\n\n"
	"Reads configuration files as a start or a reload would, and says all that is wrong with them.\n"
	"Key files that do not exist yet, or are not this user's to read, are noted and are no errors.\n\n"
	"  --effective  write all values in force, defaults included\n"
	"  --json       one JSON object for each file\n\n" CMD_EXIT_CODES;

struct options {
	bool json, effective;
};

static void print_list(const char *prefix, const struct config_errors *e)
{
	for (size_t i = 0; i < e->count; i++) {
		char *line = config_error_format(&e->list[i]);

		if (line)
			fprintf(stderr, "%s%s", prefix, line);
		free(line);
	}
}

static void print_ok(const char *file, const struct config *c)
{
	if (c->role == ROLE_SERVER)
		printf("%s: ok (role server, %zu peer%s)\n", file, c->npeers, c->npeers == 1 ? "" : "s");
	else
		printf("%s: ok (role client, %zu transport%s)\n", file, c->ntransports,
		       c->ntransports == 1 ? "" : "s");
}

static void print_effective(const struct config *c)
{
	char *text = config_effective(c);

	if (text)
		fputs(text, stdout);
	free(text);
}

static json_t *json_list(const struct config_errors *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->count; i++) {
		const struct config_error *x = &e->list[i];

		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s, s:s}", "file", x->file, "line",
						      (int)x->line, "column", (int)x->column, "path", x->path,
						      "text", x->text));
	}
	return list;
}

static void print_json(const char *file, const struct config *c, const struct config_errors *errors,
		       const struct config_errors *notes)
{
	json_t *o = json_pack("{s:s, s:b, s:o, s:o}", "file", file, "ok", c != NULL, "errors",
			      json_list(errors), "notes", json_list(notes));

	if (c)
		json_object_set_new(o, "role", json_string(c->role == ROLE_SERVER ? "server" : "client"));
	if (c && c->role == ROLE_SERVER)
		json_object_set_new(o, "peers", json_integer((json_int_t)c->npeers));
	if (c && c->role == ROLE_CLIENT)
		json_object_set_new(o, "transports", json_integer((json_int_t)c->ntransports));
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

static bool check(const char *file, const struct options *opt)
{
	struct config_errors errors, notes;
	struct config *c = config_check(file, &errors, &notes);
	bool ok = c != NULL;

	if (opt->json) {
		print_json(file, c, &errors, &notes);
	} else {
		print_list("", &errors);
		print_list("note: ", &notes);
		if (ok)
			print_ok(file, c);
		if (ok && opt->effective)
			print_effective(c);
	}
	config_free(c);
	config_errors_free(&errors);
	config_errors_free(&notes);
	return ok;
}

int cmd_check(int argc, char **argv)
{
	struct options opt = { false, false };
	const struct option_place places[] = {
		{ .name = "effective", .flag = &opt.effective },
		{ .name = "json", .flag = &opt.json },
		{ NULL },
	};
	const struct option_usage operands = { usage, .least = 1, .most = -1 };
	int code = options_read(argc, argv, places, &operands);

	if (code >= 0)
		return code;
	code = EXIT_DONE;
	for (int i = optind; i < argc; i++)
		if (!check(argv[i], &opt))
			code = EXIT_NO;
	if (fflush(stdout) || ferror(stdout)) {
		perror("jumpvpnd check");
		return EXIT_NO;
	}
	return code;
}
