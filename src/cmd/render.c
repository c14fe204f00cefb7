#include "cmd/render.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/fill.h"
#include "cmd/format.h"
#include "jumpvpn/reason.h"

enum { CELL = 80, COLUMNS_MAX = 10 };

/* --- colour --- */

static const char *state_colour(const char *state)
{
	if (!strcmp(state, "ATTACHED"))
		return "\033[32m";
	if (!strcmp(state, "DEGRADED") || !strcmp(state, "TERMINATED"))
		return "\033[31m";
	return "\033[33m";
}

/* --- tables --- */

struct column {
	const char *head; /* a leading '>' puts the column to the right; NULL ends a table */
	const char *text; /* see fill() */
};

static size_t head_width(const char *head)
{
	return strlen(head) - (*head == '>');
}

/* Characters, not bytes. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void put_cell(FILE *out, const char *s, size_t width, bool right, bool last)
{
	int pad = (int)(width - width_of(s));

	if (right)
		fprintf(out, "%*s", pad, "");
	fputs(s, out);
	if (!right && !last)
		fprintf(out, "%*s", pad, "");
	fputs(last ? "\n" : "  ", out);
}

/* The column of the state is coloured. */
static void put_row(FILE *out, const struct column *column, const size_t *width, char cell[COLUMNS_MAX][CELL], bool colour)
{
	for (size_t i = 0; column[i].head; i++) {
		const bool tint = colour && strcmp(column[i].head, "STATE") == 0;

		if (i == 0)
			fputs("  ", out);
		if (tint)
			fputs(state_colour(cell[i]), out);
		put_cell(out, cell[i], width[i], column[i].head[0] == '>', !column[i + 1].head);
		if (tint)
			fputs("\033[0m", out);
	}
}

/* The cells of a row, and the widths of their columns. */
static void fill_row(char cell[COLUMNS_MAX][CELL], size_t *width, const struct column *column, const json_t *row)
{
	char *text = NULL;
	size_t len = 0, n;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; column[i].head; i++) {
		cell[i][0] = '\0';
		if (f) {
			rewind(f);
			fill(f, column[i].text, row);
			fflush(f);
			snprintf(cell[i], CELL, "%.*s", (int)len, text);
		}
		n = width_of(cell[i]);
		width[i] = n > width[i] ? n : width[i];
	}
	if (f)
		fclose(f);
	free(text);
}

static void render_table(FILE *out, const struct column *column, const json_t *rows, bool colour)
{
	char cell[COLUMNS_MAX][CELL];
	size_t width[COLUMNS_MAX];

	for (size_t i = 0; column[i].head; i++)
		width[i] = head_width(column[i].head);
	for (size_t n = 0; n < json_array_size(rows); n++)
		fill_row(cell, width, column, json_array_get(rows, n));
	for (size_t i = 0; column[i].head; i++)
		snprintf(cell[i], CELL, "%s", column[i].head + (column[i].head[0] == '>'));
	put_row(out, column, width, cell, false);
	for (size_t n = 0; n < json_array_size(rows); n++) {
		fill_row(cell, width, column, json_array_get(rows, n));
		put_row(out, column, width, cell, colour);
	}
}

void render_sessions(FILE *out, const json_t *answer, bool colour)
{
	static const struct column columns[COLUMNS_MAX + 1] = {
		{ "SESSION", "{id:id|-}" },
		{ "PEER", "{peer|-}" },
		{ "STATE", "{state|?}" },
		{ ">FOR", "{since_ms:ms}" },
		{ "REMOTE", "{active.remote|-}" },
		{ ">RTT", "{active.srtt_us:us|-}" },
		{ ">LOSS", "{active.loss_ppm:loss|-}" },
		{ ">JUMPS", "{switches:n}" },
		{ ">RECEIVED", "{rx_bytes:bytes}" },
		{ ">SENT", "{tx_bytes:bytes}" },
	};
	const json_t *sessions = json_object_get(answer, "sessions");

	if (json_array_size(sessions) == 0)
		fputs("There is no session.\n", out);
	else
		render_table(out, columns, sessions, colour);
}

/* Why paths are down or nobody answers there, a line each: there is no room for it in the table. */
static void render_faults(FILE *out, const json_t *paths)
{
	for (size_t i = 0; i < json_array_size(paths); i++) {
		const json_t *p = json_array_get(paths, i);

		if (!fill_has(p, "why") && !fill_has(p, "called"))
			continue;
		fill(out, fill_has(p, "why") ? "  {name|?}: {why|?}" : "  {name|?}: {called|?}", p);
		fill(out, fill_has(p, "interface") ? " ({interface|?})\n" : "\n", p);
	}
}

static void render_paths(FILE *out, const json_t *paths)
{
	static const struct column columns[COLUMNS_MAX + 1] = {
		{ ">PATH", "{path:n}" },
		{ "NAME", "{name|-}" },
		{ "USE", "{use|?}" },
		{ "REMOTE", "{remote|-}" },
		{ ">RTT", "{srtt_us:us|-}" },
		{ ">LOSS", "{loss_ppm:loss}" },
		{ ">MTU", "{mtu:n|-}" },
		{ ">LAST HEARD", "{last_rx_ms:ms|never}" },
		{ ">RECEIVED", "{received:n}" },
		{ ">SENT", "{sent:n}" },
	};

	if (json_array_size(paths) == 0)
		return;
	fputc('\n', out);
	render_table(out, columns, paths, false);
	render_faults(out, paths);
}

/* --- lines with a label --- */

struct row {
	const char *label;
	const char *member; /* NULL, or without it there is `otherwise`, or where that is NULL, no line */
	const char *text;   /* see fill(); NULL: what `put` writes */
	const char *otherwise;
	void (*put)(FILE *out, const json_t *o);
};

static void put_label(FILE *out, const char *label)
{
	fprintf(out, "  %-14s", label);
}

/* Up to the one without a label. */
static void put_rows(FILE *out, const struct row *row, const json_t *o)
{
	for (; row->label; row++) {
		const bool is_there = !row->member || fill_has(o, row->member);

		if (!is_there && !row->otherwise)
			continue;
		put_label(out, row->label);
		if (is_there && row->put)
			row->put(out, o);
		else
			fill(out, is_there ? row->text : row->otherwise, o);
		fputc('\n', out);
	}
}

/* --- one session --- */

static const struct doing {
	const char *name, *now, *next;
} doings[] = {
	{ "connecting", "calling the server", "the session attaches as soon as the server answers" },
	{ "confirming", "waiting for the first authenticated packet",
	  "it attaches with that packet, or ends" },
	{ "carrying", "carrying traffic", "it probes when the path falls silent or turns bad" },
	{ "probing", "probing the active path", "the path answers, or the session looks for another" },
	{ "jumping", "moving to another path", "it attaches there, or waits for a better chance" },
	{ "waiting", "waiting for a path, or for the policy to allow a jump",
	  "it jumps as soon as it may, or ends at its bound" },
	{ "nothing", "ended", "nothing: a client opens a new session" },
};

static const struct doing *doing_of(const json_t *s)
{
	static const struct doing unknown = { "?", "unknown to this version", "unknown to this version" };
	const char *name = fill_string(s, "doing", "");

	for (size_t i = 0; i < sizeof(doings) / sizeof(*doings); i++) {
		if (!strcmp(name, doings[i].name))
			return &doings[i];
	}
	return &unknown;
}

static void put_state(FILE *out, const json_t *s, bool colour)
{
	if (colour)
		fputs(state_colour(fill_string(s, "state", "?")), out);
	fill(out, "{state|?}", s);
	if (colour)
		fputs("\033[0m", out);
	fill(out, " for {since_ms:ms}, ", s);
	fprintf(out, "%s\n", doing_of(s)->now);
}

static void put_reason(FILE *out, const json_t *s)
{
	const char *name = fill_string(s, "reason", "none");

	fill_safely(out, name);
	for (unsigned int i = 1; i <= REASON_MAX; i++) {
		if (reason_name(i) && !strcmp(name, reason_name(i)))
			fprintf(out, ": %s", reason_text(i));
	}
}

static void put_until(FILE *out, const json_t *s)
{
	if (fill_has(s, "deadline_ms"))
		fill(out, "{deadline_ms:ms} from now at most", s);
	else if (!strcmp(doing_of(s)->name, "connecting"))
		fputs("no limit: it goes on until it succeeds", out);
	else
		fill(out, "the session's lifetime ends in {lifetime_left_ms:ms}", s);
}

static void put_next(FILE *out, const json_t *s)
{
	const struct doing *doing = doing_of(s);

	fputs(doing->next, out);
	if (fill_has(s, "next_ms") && strcmp(doing->name, "carrying") != 0)
		fill(out, "; next try in {next_ms:ms}", s);
}

static void put_path(FILE *out, const json_t *s)
{
	const json_t *p = json_object_get(s, "active");

	fill(out, fill_string(p, "name", NULL) ? "{path:n} ({name})" : "{path:n}", p);
	fill(out, ", peer at {remote|an unknown address}", p);
	if (fill_has(p, "srtt_us"))
		fill(out, ", RTT {srtt_us:us} +- {rttvar_us:us}", p);
	fill(out, ", loss {loss_ppm:loss}", p);
}

/* A list of texts of which there may be more than are told; how many there are. */
static size_t put_list(FILE *out, const json_t *list, uint64_t total)
{
	const size_t n = json_array_size(list);

	for (size_t i = 0; i < n; i++) {
		const char *item = json_string_value(json_array_get(list, i));

		fputs(i ? ", " : "", out);
		fill_safely(out, item ? item : "?");
	}
	if (total > n)
		fprintf(out, " and %llu more", (unsigned long long)(total - n));
	return n;
}

static void put_addresses(FILE *out, const json_t *s)
{
	const json_t *list = json_object_get(s, "addresses");

	if (json_array_size(list) == 0)
		fputs("no address yet", out);
	put_list(out, list, fill_number(s, "addresses_total"));
	fill(out, "; MTU {mtu:n}", s);
}

static void put_refused(FILE *out, const json_t *s)
{
	put_list(out, json_object_get(s, "refused"), fill_number(s, "refused_total"));
	fputs("; see accept in jumpvpnd.yaml(5)", out);
}

#define SWITCHES "{switches:n} in all, {switches_left:n} left in this minute"

static void render_session(FILE *out, const json_t *s, bool colour)
{
	static const struct row rows[] = {
		{ "reason", .put = put_reason },
		{ "until", .put = put_until },
		{ "next", .put = put_next },
		{ "path", "active", .put = put_path, .otherwise = "none" },
		{ "last receipt", "last_authentic_rx_ms", .text = "{last_authentic_rx_ms:ms} ago, authenticated",
		  .otherwise = "never" },
		{ NULL },
	};
	static const struct row traffic[] = {
		{ "last switch", "since_switch_ms",
		  .text = "{since_switch_ms:ms} ago, {bytes_since_switch:bytes} since then; " SWITCHES,
		  .otherwise = "never; " SWITCHES },
		{ "received", .text = "{rx_bytes:bytes} in {rx_packets:n} packets, {rx_bytes:rate} on average" },
		{ "sent", .text = "{tx_bytes:bytes} in {tx_packets:n} packets, {tx_bytes:rate} on average" },
		{ "inside", .put = put_addresses },
		{ NULL },
	};
	static const struct row refused[] = { { "not taken", .put = put_refused }, { NULL } };
	static const struct row identity[] = {
		{ "session", .text = "{id|none yet}, age {age_ms:ms}" },
		{ "versions", .text = "state {state_version:n}, binding {binding_version:n}; key epoch {epoch:n}, "
				      "{suite|no suite yet}" },
		{ NULL },
	};

	put_label(out, "state");
	put_state(out, s, colour);
	put_rows(out, rows, s);
	if (fill_has(s, "id")) {
		put_rows(out, traffic, s);
		if (fill_number(s, "refused_total") > 0) /* what the server gives and the client does not take */
			put_rows(out, refused, s);
		put_rows(out, identity, s);
	}
	render_paths(out, json_object_get(s, "paths"));
}

void render_show(FILE *out, const json_t *answer, bool colour)
{
	const json_t *s = json_object_get(answer, "session");

	fill(out, "session of {peer|an unnamed peer}, worker {worker:n}\n\n", s);
	render_session(out, s, colour);
}

/* --- the daemon --- */

static void put_head(FILE *out, const json_t *d)
{
	fill(out, "{role|?} {node_name|without a name}", d);
	if (fill_has(d, "tunnel"))
		fill(out, " on {tunnel|?}", d);
	fill(out, ", up {uptime_ms:ms}\n\n", d);
}

static void put_states(FILE *out, const json_t *sessions)
{
	json_t *by_state = json_object_get(sessions, "by_state");
	const char *sep = ": ", *state;
	json_t *n;

	fill(out, "{total:n}", sessions);
	json_object_foreach(by_state, state, n) {
		if (json_integer_value(n) <= 0)
			continue;
		fprintf(out, "%s%lld ", sep, (long long)json_integer_value(n));
		fill_safely(out, state);
		sep = ", ";
	}
	if (fill_has(sessions, "max") && fill_number(sessions, "total") >= fill_number(sessions, "max"))
		fill(out, "; max_sessions is {max:n}: peers that have none are refused", sessions);
}

/* Names that are not resolved, a line each. */
static void put_names(FILE *out, const json_t *d)
{
	const char *text = fill_string(d, "names", "?");
	char line[1024];

	while (*text) {
		const size_t len = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		fill_safely(out, line);
		text += len + (text[len] != '\0');
		if (*text) {
			fputc('\n', out);
			put_label(out, "unresolved");
		}
	}
}

/* The counters whose names begin so, a line each: only what did happen. */
static void put_some(FILE *out, json_t *counters, const char *begin, const char *label)
{
	const char *name;
	json_t *n;

	json_object_foreach(counters, name, n) {
		if (strncmp(name, begin, strlen(begin)) != 0 || json_integer_value(n) <= 0)
			continue;
		put_label(out, label);
		fprintf(out, "%lld ", (long long)json_integer_value(n));
		fill_safely(out, name + strlen(begin));
		fputc('\n', out);
		label = "";
	}
}

void render_status(FILE *out, const json_t *answer, bool colour)
{
	static const struct row sessions[] = {
		{ "sessions", .put = put_states },
		{ "memory", "bytes_each", .text = "{bytes:bytes} for sessions, {bytes_each:n} bytes each" },
		{ NULL },
	};
	static const struct row traffic[] = {
		{ "received", .text = "{rx_bytes:bytes} in {rx_packets:n} packets" },
		{ "sent", .text = "{tx_bytes:bytes} in {tx_packets:n} packets" },
		{ NULL },
	};
	static const struct row rows[] = {
		{ "configuration", .text = "{config_generation:n}, {config_file|?}" },
		{ "unresolved", "names", .put = put_names },
		{ "last reload", "last_reload", .text = "{last_reload|?}" },
		{ "tunnel", "tunnel_trouble", .text = "{tunnel_trouble|?}" },
		{ "crypto", .text = "{crypto|?}" },
		{ "offloads", .text = "{offloads|?}" },
		{ NULL },
	};
	const json_t *daemon = json_object_get(answer, "daemon");
	const json_t *session = json_object_get(answer, "session");
	json_t *counters = json_object_get(answer, "counters");

	put_head(out, daemon);
	if (json_is_object(session)) {
		render_session(out, session, colour);
		fputc('\n', out);
	} else {
		put_rows(out, sessions, json_object_get(answer, "sessions"));
		put_rows(out, traffic, counters);
	}
	put_rows(out, rows, daemon);
	put_some(out, counters, "hello_", "HELLOs"); /* a server that refuses them all says so here */
	put_some(out, counters, "drop_", "dropped");
}
