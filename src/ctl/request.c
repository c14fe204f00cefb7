/* What a request means, and which of the daemon's operations answers it. */
#include "ctl/impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"

static const struct command {
	const char *name;
	enum ctl_command command;
	bool takes_session, takes_path, takes_follow;
} commands[] = {
	{ "status", CTL_STATUS, false, false, false },      { "sessions", CTL_SESSIONS, false, false, false },
	{ "show", CTL_SHOW, true, false, false },           { "jump", CTL_JUMP, true, true, false },
	{ "terminate", CTL_TERMINATE, true, false, false }, { "events", CTL_EVENTS, true, false, true },
	{ "reload", CTL_RELOAD, false, false, false },      { "rekey", CTL_REKEY, true, false, false },
};

static __attribute__((format(printf, 2, 3))) bool wrong(char why[CTL_TEXT_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CTL_TEXT_MAX, fmt, ap);
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

static bool take_name(char out[CTL_NAME_MAX], const char *key, const json_t *value, char why[CTL_TEXT_MAX])
{
	const char *text = json_string_value(value);

	if (!text || !text[0] || strlen(text) >= CTL_NAME_MAX || strlen(text) != json_string_length(value))
		return wrong(why, "\"%s\" must be a text of 1 to %d characters", key, CTL_NAME_MAX - 1);
	strcpy(out, text);
	return true;
}

static bool take_member(struct ctl_call *call, const struct command *cmd, const char *key,
			const json_t *value, char why[CTL_TEXT_MAX])
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

static bool take_request(struct ctl_call *out, json_t *request, char why[CTL_TEXT_MAX])
{
	const struct command *cmd = find_command(request);
	struct ctl_call call = { 0 };
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

bool ctl_parse(struct ctl_call *out, const char *line, size_t len, char why[CTL_TEXT_MAX])
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

bool ctl_selects(const char *session, const struct audit_record *r)
{
	if (!session || !session[0] || r->event == AUDIT_AUDIT_GAP)
		return true;
	return r->has_session ? match_session(session, r->session_id, r->peer)
			      : strncmp(session, r->peer, sizeof(r->peer)) == 0;
}

char *ctl_events_text(const char *session, const struct audit_record *r, size_t n, bool lines, size_t *len)
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
		if (!ctl_selects(session, &r[i]))
			continue;
		if (lines || !first)
			text[at++] = lines ? '\n' : ',';
		at += audit_json(text + at, &r[i]);
		first = false;
	}
	if (!lines) {
		memcpy(text + at, "]}", 2);
		at += 2;
	}
	*len = at;
	return text;
}

static const char *wanted(const struct ctl_request *req)
{
	return req->call.has_session ? req->call.session : NULL;
}

void ctl_dispatch(struct ctl_request *req)
{
	const struct ctl_ops *ops = req->ctl->ops;
	void *ctx = req->ctl->ctx;

	switch (req->call.command) {
	case CTL_STATUS:
		ops->status(ctx, req);
		break;
	case CTL_SESSIONS:
		ops->sessions(ctx, req);
		break;
	case CTL_SHOW:
	case CTL_JUMP:
	case CTL_TERMINATE:
	case CTL_REKEY:
		ops->find(ctx, req, wanted(req)); /* ctl_answer_found() goes on */
		break;
	case CTL_EVENTS:
		ctl_follow(req);
		break;
	case CTL_RELOAD:
		ops->reload(ctx, req);
		break;
	}
}

/* --- answers --- */

void ctl_fail(struct ctl_request *req, enum reason reason, uint32_t retry_after_ms, const char *fmt, ...)
{
	char text[CTL_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_reply(req, json_error(text, reason, retry_after_ms));
}

void ctl_answer_done(struct ctl_request *req, const char *note)
{
	ctl_reply(req, note ? json_pack("{s:b, s:s}", "ok", 1, "note", note) : json_pack("{s:b}", "ok", 1));
}

void ctl_answer_status(struct ctl_request *req, const struct ctl_status *status, const struct counters *sum,
		       const uint64_t by_state[STATE_COUNT], const struct session_info *own)
{
	ctl_reply(req, json_status(status, sum, by_state, own));
}

static bool write_row(FILE *f, const struct session_info *s)
{
	json_t *row = json_session_row(s);
	const bool ok = row && json_dumpf(row, f, JSON_COMPACT) == 0;

	json_decref(row);
	return ok;
}

/* A piece of {"ok": true, "sessions": [...]}; NULL without memory. */
static char *page_text(struct ctl_request *req, const struct session_info *s, size_t n, bool last,
		       size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	bool ok = f != NULL;

	if (!f)
		return NULL;
	if (!req->began)
		fputs("{\"ok\":true,\"sessions\":[", f);
	for (size_t i = 0; ok && i < n; i++) {
		if (req->rows++ > 0)
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

void ctl_answer_page(struct ctl_request *req, const struct session_info *sessions, size_t n, bool last)
{
	size_t len = 0;
	char *text = ctl_is_gone(req) ? NULL : page_text(req, sessions, n, last, &len);

	if (last)
		ctl_reply_end(req, text, len);
	else
		ctl_reply_page(req, text, len);
}

static void jump(struct ctl_request *req, const struct session_info *s)
{
	char why[CTL_TEXT_MAX];
	int path = find_path(req->call.path, s, why);

	if (path < 0)
		ctl_fail(req, REASON_INVALID_TRANSPORT_CANDIDATE, 0, "%s", why);
	else
		req->ctl->ops->jump(req->ctl->ctx, req, s, (uint8_t)path);
}

void ctl_answer_found(struct ctl_request *req, const struct session_info *s, size_t n)
{
	char why[CTL_TEXT_MAX];

	if (ctl_is_gone(req))
		ctl_reply(req, NULL); /* nobody asks any more: nothing is done */
	else if (!find_is_one(wanted(req), n, why))
		ctl_fail(req, REASON_NONE, 0, "%s", why);
	else if (req->call.command == CTL_SHOW)
		ctl_reply(req, json_pack("{s:b, s:o}", "ok", 1, "session", json_session_whole(s)));
	else if (req->call.command == CTL_JUMP)
		jump(req, s);
	else if (req->call.command == CTL_REKEY)
		req->ctl->ops->rekey(req->ctl->ctx, req, s);
	else
		req->ctl->ops->terminate(req->ctl->ctx, req, s);
}
