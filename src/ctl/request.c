#include "ctl/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/encode.h"
#include "ctl/json.h"

static const struct command {
	const char *name;
	enum request_command command;
	bool takes_session, takes_path, takes_follow;
} commands[] = {
	{ "status", CTL_STATUS, false, false, false },      { "sessions", CTL_SESSIONS, false, false, false },
	{ "show", CTL_SHOW, true, false, false },           { "jump", CTL_JUMP, true, true, false },
	{ "terminate", CTL_TERMINATE, true, false, false }, { "events", CTL_EVENTS, true, false, true },
	{ "reload", CTL_RELOAD, false, false, false },      { "rekey", CTL_REKEY, true, false, false },
};

static __attribute__((format(printf, 2, 3))) bool wrong(char why[REQUEST_TEXT_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, REQUEST_TEXT_MAX, fmt, ap);
	va_end(ap);
	return false;
}

static const struct command *find_command(const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	for (size_t i = 0; name && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool take_name(char out[REQUEST_NAME_MAX], const char *key, const json_t *value,
		      char why[REQUEST_TEXT_MAX])
{
	const char *text = json_string_value(value);

	if (!text || !text[0] || strlen(text) >= REQUEST_NAME_MAX ||
	    strlen(text) != json_string_length(value))
		return wrong(why, "\"%s\" must be a text of 1 to %d characters", key, REQUEST_NAME_MAX - 1);
	strcpy(out, text);
	return true;
}

static bool take_member(struct request *call, const struct command *cmd, const char *key, const json_t *value,
			char why[REQUEST_TEXT_MAX])
{
	if (strcmp(key, "command") == 0)
		return true;
	if (cmd->takes_session && strcmp(key, "session") == 0) {
		call->has_session = true;
		return take_name(call->session, key, value, why);
	}
	if (cmd->takes_path && strcmp(key, "path") == 0)
		return take_name(call->path, key, value, why);
	if (cmd->takes_follow && strcmp(key, "follow") == 0) {
		call->follow = json_is_true(value);
		return json_is_boolean(value) || wrong(why, "\"follow\" must be true or false");
	}
	return wrong(why, "\"%s\" takes no \"%.40s\"", cmd->name, key);
}

static bool take_request(struct request *out, json_t *request, char why[REQUEST_TEXT_MAX])
{
	const struct command *cmd = find_command(request);
	struct request call = { 0 };
	const char *key;
	json_t *value;

	if (!cmd)
		return wrong(
			why,
			"\"command\" must be one of status, sessions, show, jump, terminate, rekey, events, "
			"reload");
	call.command = cmd->command;
	json_object_foreach(request, key, value) {
		if (!take_member(&call, cmd, key, value, why))
			return false;
	}
	if (cmd->takes_path && !call.path[0])
		return wrong(why, "\"%s\" needs a \"path\"", cmd->name);
	*out = call;
	return true;
}

bool request_parse(struct request *out, const char *line, size_t len, char why[REQUEST_TEXT_MAX])
{
	json_error_t error;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	bool ok;

	if (!request)
		return wrong(why, "not a JSON object: %s", error.text);
	ok = json_is_object(request) ? take_request(out, request, why) : wrong(why, "not a JSON object");
	json_decref(request);
	return ok;
}

bool request_selects(const char *session, const struct audit_record *r)
{
	if (!session || !session[0] || r->event == AUDIT_AUDIT_GAP)
		return true;
	return r->has_session ? match_session(session, r->session_id, r->peer)
			      : strncmp(session, r->peer, sizeof(r->peer)) == 0;
}

char *request_events(const char *session, const struct audit_record *r, size_t n, bool lines, size_t *len)
{
	static const char list[] = "{\"ok\":true,\"events\":[", follow[] = "{\"ok\":true,\"follow\":true}";
	const char *head = lines ? follow : list;
	char *text = malloc(n * (AUDIT_JSON_MAX + 1) + sizeof(list) + sizeof(follow));
	size_t at = strlen(head);
	bool first = true;

	if (!text)
		return NULL;
	memcpy(text, head, at);
	for (size_t i = 0; i < n; i++) {
		if (!request_selects(session, &r[i]))
			continue;
		if (lines || !first)
			text[at++] = lines ? '\n' : ',';
		at += encode_json(text + at, &r[i]);
		first = false;
	}
	if (!lines) {
		memcpy(text + at, "]}", 2);
		at += 2;
	}
	*len = at;
	return text;
}

static bool write_row(FILE *f, const struct session_info *s)
{
	json_t *row = json_session_row(s);
	const bool ok = row && json_dumpf(row, f, JSON_COMPACT) == 0;

	json_decref(row);
	return ok;
}

char *request_page(const struct session_info *s, size_t n, bool began, bool last, size_t *rows, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	bool ok = f != NULL;

	if (!f)
		return NULL;
	if (!began)
		fputs("{\"ok\":true,\"sessions\":[", f);
	for (size_t i = 0; ok && i < n; i++) {
		if ((*rows)++ > 0)
			fputc(',', f);
		ok = write_row(f, &s[i]);
	}
	if (last)
		fputs("]}", f);
	ok = ok && !ferror(f);
	if (fclose(f) == 0 && ok)
		return text;
	free(text);
	return NULL;
}
