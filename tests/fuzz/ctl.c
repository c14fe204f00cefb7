/* Requests of the control socket, the session and path they name, and the daemon's answers as people see them. */
#include "fuzz.h"

#include "cmd/render.h"
#include "ctl/find.h"
#include "ctl/request.h"
#include "session/info.h"

static struct session_info session(uint8_t first)
{
	struct session_info s = { .npaths = 2 };

	memset(s.id, first, sizeof(s.id));
	snprintf(s.peer, sizeof(s.peer), "peer%u", first);
	strcpy(s.path[0].name, "wifi");
	strcpy(s.path[1].name, "lte");
	return s;
}

static void request(const char *line, size_t len)
{
	const struct session_info all[] = { session(0xa1), session(0xa2), session(0x13) };
	struct request call;
	char why[REQUEST_TEXT_MAX] = "";
	size_t n = 0;

	if (!request_parse(&call, line, len, why)) {
		HOLDS(*why && memchr(why, '\0', sizeof(why)));
		return;
	}
	HOLDS(call.command <= CTL_RELOAD && memchr(call.session, '\0', sizeof(call.session)) &&
	      memchr(call.path, '\0', sizeof(call.path)));
	for (unsigned int i = 0; call.has_session && i < 3; i++)
		n += match_session(call.session, all[i].id, all[i].peer);
	if (call.has_session && !find_is_one(call.session, n, why))
		HOLDS(*why);
	if (*call.path)
		HOLDS(find_path(call.path, &all[0], why) >= -1);
}

static void answer(const char *line, size_t len)
{
	static FILE *out;
	json_t *o = json_loadb(line, len, 0, NULL);

	if (!out && !(out = fopen("/dev/null", "w")))
		abort();
	if (!o)
		return;
	render_status(out, o, false);
	render_sessions(out, o, true);
	render_show(out, o, false);
	render_event(out, o, true);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == '<')
		answer((const char *)data + 1, size - 1);
	else
		request((const char *)data, size);
	return 0;
}
