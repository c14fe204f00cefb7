/*
 * A field of a JSON file, or of a daemon's answer, for shell scripts.
 *
 *     jget FILE path.to[0].list[name=alice].field   prints it, strings bare; exit 1 when it is not there
 *     jget --ask SOCKET path.to.field COMMAND [SESSION]
 *         the same of what the daemon answers there, in one process, as it is asked again and again; exit 1
 *         also when there is no answer
 *     jget --lines FILE [key=value ...] [--print key,key]
 *         of a file with one object a line, those in which every key has that value: prints how many, or
 *         with --print their fields with tabs between; exit 1 when there are none
 *
 * FILE "-" is standard input. `list[]` prints the number of elements. A last line without its newline is
 * taken to be still in the making and left alone.
 */
#include <jansson.h>
#include <sys/un.h>

#include "tool.h"

#define PATIENCE_S 10

static bool value_is(const json_t *v, const char *text, size_t len)
{
	char number[64];

	if (json_is_string(v))
		return json_string_length(v) == len && memcmp(json_string_value(v), text, len) == 0;
	if (json_is_integer(v))
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	else
		snprintf(number, sizeof(number), "%s",
			 json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
	return strlen(number) == len && memcmp(number, text, len) == 0;
}

static void print_value(const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		fputs(json_string_value(v), stdout);
	} else if (json_is_real(v)) {
		printf("%.10g", json_real_value(v));
	} else if (v) {
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		fputs(text, stdout);
		free(text);
	}
}

/* "3" or "key=value" between brackets. */
static const json_t *pick(const json_t *list, const char *text, size_t len)
{
	const char *eq = memchr(text, '=', len);
	char key[64];
	size_t i;
	json_t *item;

	if (!eq)
		return json_array_get(list, strtoul(text, NULL, 10));
	snprintf(key, sizeof(key), "%.*s", (int)(eq - text), text);
	json_array_foreach(list, i, item)
		if (value_is(json_object_get(item, key), eq + 1, len - (size_t)(eq + 1 - text)))
			return item;
	return NULL;
}

static int get(const json_t *v, const char *path)
{
	char key[128];

	while (*path && v) {
		if (strcmp(path, "[]") == 0 && json_is_array(v)) {
			printf("%zu\n", json_array_size(v));
			return 0;
		}
		if (*path == '[') {
			size_t len = strcspn(path, "]");
			v = pick(v, path + 1, len - 1);
			path += len + (path[len] == ']');
			continue;
		}
		path += *path == '.';
		size_t len = strcspn(path, ".[");
		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		v = json_object_get(v, key);
		path += len;
	}
	if (!v || json_is_null(v))
		return 1;
	print_value(v);
	putchar('\n');
	return 0;
}

static bool line_matches(const json_t *v, char **conditions, int n)
{
	char key[64];

	for (int i = 0; i < n; i++) {
		const char *eq = strchr(conditions[i], '=');
		if (!eq)
			die("\"%s\" is not key=value", conditions[i]);
		snprintf(key, sizeof(key), "%.*s", (int)(eq - conditions[i]), conditions[i]);
		if (!value_is(json_object_get(v, key), eq + 1, strlen(eq + 1)))
			return false;
	}
	return true;
}

static void print_fields(const json_t *v, const char *fields)
{
	char key[64];

	for (const char *p = fields; *p;) {
		size_t len = strcspn(p, ",");
		snprintf(key, sizeof(key), "%.*s", (int)len, p);
		print_value(json_object_get(v, key));
		p += len + (p[len] == ',');
		putchar(*p ? '\t' : '\n');
	}
}

static int lines(FILE *f, char **conditions, int n, const char *fields)
{
	char *line = NULL;
	size_t cap = 0, found = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, f)) > 0) {
		json_error_t e;
		if (line[len - 1] != '\n')
			break;
		json_t *v = json_loadb(line, (size_t)len, 0, &e);
		if (!v)
			die("not JSON: %s", line);
		if (line_matches(v, conditions, n)) {
			found++;
			if (fields)
				print_fields(v, fields);
		}
		json_decref(v);
	}
	free(line);
	if (!fields)
		printf("%zu\n", found);
	return !found;
}

static FILE *open_file(const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");

	if (!f)
		die("%s: %s", name, strerror(errno));
	return f;
}

static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		die("%s: no socket for it", path);
	strcpy(sun.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The answer, or NULL: none, or a refusal. */
static json_t *ask(const char *path, const char *command, const char *session)
{
	json_t *question = json_pack("{s:s, s:s*}", "command", command, "session", session);
	int fd = connect_to(path);
	json_t *answer = NULL;

	if (fd >= 0 && json_dumpfd(question, fd, JSON_COMPACT) == 0 && send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
		answer = json_loadfd(fd, 0, NULL);
	if (fd >= 0)
		close(fd);
	json_decref(question);
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	json_decref(answer);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *fields = NULL;
	json_error_t e;

	if (argc >= 3 && strcmp(argv[1], "--lines") == 0) {
		if (argc >= 5 && strcmp(argv[argc - 2], "--print") == 0) {
			fields = argv[argc - 1];
			argc -= 2;
		}
		return lines(open_file(argv[2]), argv + 3, argc - 3, fields);
	}
	bool asks = argc >= 5 && argc <= 6 && strcmp(argv[1], "--ask") == 0;
	if (argc != 3 && !asks)
		die("usage: jget FILE PATH | jget --ask SOCKET PATH COMMAND [SESSION] |"
		    " jget --lines FILE [key=value ...] [--print key,key]");
	json_t *root = asks ? ask(argv[2], argv[4], argc == 6 ? argv[5] : NULL) :
			      json_loadf(open_file(argv[1]), JSON_DECODE_ANY, &e);
	if (!root)
		return 1;
	int status = get(root, argv[asks ? 3 : 2]);
	json_decref(root);
	return status;
}
