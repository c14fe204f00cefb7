#include "cmd/ask.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/fill.h"
#include "cmd/format.h"
#include "config.h"

#define DEFAULT_SOCKET RUNSTATEDIR "/jumpvpn/control.sock"

enum { PATIENCE_S = 10 };

struct ask {
	FILE *stream;
	char *line;
	size_t cap;
};

/* --- options --- */

static int help(const char *name, const struct ask_usage *usage, FILE *out)
{
	fprintf(out, "usage: jumpvpnd %s [OPTIONS]%s%s\n", name, *usage->synopsis ? " " : "",
		usage->synopsis);
	if (out != stdout)
		return EXIT_USAGE;
	fprintf(out, "\n%s\n", usage->text);
	if (usage->takes & ASK_FOLLOW)
		fprintf(out, "  -f, --follow       go on with what happens, until interrupted\n");
	if (usage->takes & ASK_SESSION)
		fprintf(out,
			"      --session ID   only this session: the beginning of its ID, or its peer\n");
	fprintf(out,
		"  -s, --socket PATH  the daemon's control socket; else $JUMPVPN_SOCKET,\n"
		"                     else %s\n"
		"      --json         the answer as JSON\n"
		"  -h, --help         this text\n\n%s",
		DEFAULT_SOCKET, CMD_EXIT_CODES);
	return EXIT_DONE;
}

static int usage_error(const char *name, const struct ask_usage *usage, const char *what)
{
	fprintf(stderr, "jumpvpnd %s: %s\n", name, what);
	return help(name, usage, stderr);
}

static bool take_option(struct ask_options *o, const struct ask_usage *usage, int c)
{
	switch (c) {
	case 's':
		o->socket = optarg;
		return true;
	case 'j':
		o->json = true;
		return true;
	case 'f':
		o->follow = true;
		return usage->takes & ASK_FOLLOW;
	case 'S':
		o->session = optarg;
		return usage->takes & ASK_SESSION;
	default:
		return false;
	}
}

int ask_options(struct ask_options *o, int argc, char **argv, const struct ask_usage *usage)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "follow", no_argument, NULL, 'f' },       { "session", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },         { 0 },
	};
	const char *env = getenv("JUMPVPN_SOCKET");
	int c;

	*o = (struct ask_options){ .name = argv[0], .socket = env && *env ? env : DEFAULT_SOCKET };
	optind = 0; /* start afresh */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "s:fh", options, NULL)) != -1) {
		if (c == 'h')
			return help(argv[0], usage, stdout);
		if (!take_option(o, usage, c))
			return usage_error(argv[0], usage,
					   "there is no such option, or its value is missing");
	}
	if (argc - optind < usage->least)
		return usage_error(argv[0], usage, "too few arguments");
	if (argc - optind > usage->most)
		return usage_error(argv[0], usage, "too many arguments");
	return -1;
}

bool ask_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

/* --- the connection --- */

static int unreachable(const struct ask_options *o, int err)
{
	fprintf(stderr, "jumpvpnd %s: no daemon answers at %s: %s\n", o->name, o->socket, strerror(err));
	if (err == EACCES || err == EPERM)
		fprintf(stderr, "Only root and the daemon's own user may ask it: try sudo.\n");
	else if (err == EAGAIN)
		fprintf(stderr, "It runs but is stuck or very busy; its log may say why.\n");
	else
		fprintf(stderr, "Start it with \"systemctl start jumpvpnd\" or \"jumpvpnd run -c FILE\", "
				"or name its socket with --socket.\n");
	return EXIT_UNREACHABLE;
}

static void set_patience(int fd, int seconds)
{
	const struct timeval tv = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* A connected socket, or -errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	set_patience(fd, PATIENCE_S);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int send_request(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	int err = text ? 0 : ENOMEM;

	if (text) {
		text[len] = '\n'; /* in the place of the NUL */
		if (send(fd, text, len + 1, MSG_NOSIGNAL) != (ssize_t)len + 1)
			err = errno ? errno : EIO;
	}
	free(text);
	return err;
}

int ask_open(struct ask **out, const struct ask_options *o, json_t *request)
{
	int fd = connect_to(o->socket);
	int err = fd < 0 ? -fd : send_request(fd, request);
	struct ask *c = err ? NULL : calloc(1, sizeof(*c));

	json_decref(request);
	if (c)
		c->stream = fdopen(fd, "r");
	if (!c || !c->stream) {
		if (fd >= 0)
			close(fd);
		free(c);
		return unreachable(o, err ? err : ENOMEM);
	}
	*out = c;
	return EXIT_DONE;
}

json_t *ask_next(struct ask *c, const char **text)
{
	ssize_t n = getline(&c->line, &c->cap, c->stream);

	if (n <= 0)
		return NULL;
	if (c->line[n - 1] == '\n')
		c->line[--n] = '\0';
	if (text)
		*text = c->line;
	return json_loadb(c->line, (size_t)n, 0, NULL);
}

void ask_wait_forever(struct ask *c)
{
	set_patience(fileno(c->stream), 0);
}

void ask_close(struct ask *c)
{
	if (!c)
		return;
	fclose(c->stream);
	free(c->line);
	free(c);
}

/* --- answers --- */

bool ask_accepted(const struct ask_options *o, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *reason = json_string_value(json_object_get(answer, "reason"));
	json_int_t retry = json_integer_value(json_object_get(answer, "retry_after_ms"));
	char after[FORMAT_LEN];

	if (json_is_true(json_object_get(answer, "ok")))
		return true;
	fprintf(stderr, "jumpvpnd %s: ", o->name);
	fill_safely(stderr, error ? error : "the daemon refused and did not say why");
	if (reason)
		fprintf(stderr, " (%s)", reason);
	if (retry > 0)
		fprintf(stderr, "; try again in %s", format_ms(after, (uint64_t)retry));
	fputc('\n', stderr);
	return false;
}

static void print_json(const json_t *o)
{
	json_dumpf(o, stdout, isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
}

int ask_call(const struct ask_options *o, json_t *request, json_t **answer)
{
	struct ask *c;
	int code = ask_open(&c, o, request);
	json_t *got;

	*answer = NULL;
	if (code != EXIT_DONE)
		return code;
	errno = 0;
	got = ask_next(c, NULL);
	if (!got)
		code = unreachable(o, errno ? errno : ECONNRESET);
	ask_close(c);
	if (!got)
		return code;
	if (o->json)
		print_json(got);
	if (!ask_accepted(o, got)) {
		json_decref(got);
		return EXIT_NO;
	}
	*answer = got;
	return EXIT_DONE;
}
