/* An audit record as one aligned line. */
#include "cmd/render.h"

#include <string.h>
#include <time.h>

#include "cmd/fill.h"

static const char *text_of(const json_t *r, const char *member)
{
	return fill_string(r, member, "");
}

static void put_column(FILE *out, const char *s, int width)
{
	int pad = width - (int)strlen(s);

	fill_safely(out, s);
	fprintf(out, "%*s", pad > 0 ? pad + 2 : 2, "");
}

static void put_time(FILE *out, unsigned long long ts_ms)
{
	time_t seconds = (time_t)(ts_ms / 1000);
	char text[16] = "--:--:--";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	fprintf(out, "%s.%03llu  ", text, ts_ms % 1000);
}

static void put_states(FILE *out, const json_t *r)
{
	char text[64];

	if (*text_of(r, "to"))
		snprintf(text, sizeof(text), "%.20s -> %.20s", text_of(r, "from"), text_of(r, "to"));
	else
		snprintf(text, sizeof(text), "%.40s", text_of(r, "state"));
	put_column(out, *text ? text : "-", 24);
}

static void put_paths(FILE *out, const json_t *r)
{
	bool from = json_object_get(r, "path_from"), to = json_object_get(r, "path_to");
	const char *name = text_of(r, "path_name");
	char text[64], *at = text;

	if (from && to && fill_number(r, "path_from") != fill_number(r, "path_to"))
		at += snprintf(at, 24, "%llu -> ", (unsigned long long)fill_number(r, "path_from"));
	if (to && *name)
		snprintf(at, 40, "%.32s", name);
	else if (from || to)
		snprintf(at, 24, "%llu", (unsigned long long)fill_number(r, to ? "path_to" : "path_from"));
	else
		snprintf(at, 2, "-");
	put_column(out, text, 10);
}

static const char *event_colour(const json_t *r)
{
	const char *event = text_of(r, "event_type"), *to = text_of(r, "to");

	if (!strcmp(event, "AuditGap") || !strncmp(event, "Security", 8) ||
	    !strcmp(event, "TransportSwitchDenied") || !strcmp(to, "DEGRADED") || !strcmp(to, "TERMINATED"))
		return "\033[31m";
	if (!strcmp(to, "VOLATILE") || !strcmp(to, "RECOVERING"))
		return "\033[33m";
	return !strcmp(to, "ATTACHED") ? "\033[32m" : "";
}

static void put_details(FILE *out, const json_t *r)
{
	static const struct {
		const char *member, *text;
	} details[] = {
		{ "elapsed_ms", ", after {elapsed_ms:ms}" },
		{ "retry_after_ms", ", again in {retry_after_ms:ms}" },
		{ "epoch", ", epoch {epoch:n}" },
		{ "lost", ", {lost:n} records lost" },
	};

	fill(out, *text_of(r, "remote") ? "{reason_code}, {remote}" : "{reason_code}", r);
	for (size_t i = 0; i < sizeof(details) / sizeof(*details); i++)
		if (fill_number(r, details[i].member) > 0)
			fill(out, details[i].text, r);
	if (fill_number(r, "span_ms") > 0)
		fill(out, ", {count:n} changes in {span_ms:ms}", r);
	else if (fill_number(r, "count") > 1)
		fill(out, ", {count:n} times", r);
}

void render_event(FILE *out, const json_t *r, bool colour)
{
	const char *tint = colour ? event_colour(r) : "";
	char id[9];

	if (!json_object_get(r, "event_type")) {
		fill(out, "-- {lost:n} records are missing here: this reader was too slow --\n", r);
		return;
	}
	snprintf(id, sizeof(id), "%.8s", *text_of(r, "session_id") ? text_of(r, "session_id") : "-");
	put_time(out, fill_number(r, "ts_ms"));
	put_column(out, id, 8);
	put_column(out, *text_of(r, "peer") ? text_of(r, "peer") : "-", 12);
	fputs(tint, out);
	put_column(out, text_of(r, "event_type"), 24);
	put_states(out, r);
	fputs(*tint ? "\033[0m" : "", out);
	put_paths(out, r);
	put_details(out, r);
	fputc('\n', out);
}
