/*
 * The timeline as a picture: all of it, then the moments that matter as if under a glass, then what happened in
 * words. One SVG file without scripts or anything from elsewhere; light or dark as its reader is.
 */
#include "report/timeline_svg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/timeline_choose.h"

enum {
	WIDTH = 1120,
	LEFT = 150,
	RIGHT = 24,
	PLOT = WIDTH - LEFT - RIGHT,
	BAND = 22,  /* of states */
	STRIP = 9,  /* of paths */
	MARKS = 16, /* above the band */
	QUALITY = 26,
	LANE = MARKS + BAND + STRIP + 10,
	TICKS = 8,
};

static const char style[] =
	"text{font:12px system-ui,'DejaVu Sans',Verdana,sans-serif;fill:#24292f}"
	".bg{fill:#ffffff}.h{font-size:17px;font-weight:600}.t{font-size:13px;font-weight:600}"
	".s{font-size:11px;fill:#57606a}.in{font-size:11px;fill:#ffffff;font-weight:600}.id{fill:#1b1f24}"
	".mono{font-family:'DejaVu Sans Mono',monospace}"
	".grid{stroke:#d0d7de;stroke-width:1}.frame{fill:none;stroke:#8c959f;stroke-width:1}"
	".st0{fill:#8c959f}.st1{fill:#2a9d68}.st2{fill:#e6b800}.st3{fill:#d1481f}.st4{fill:#2f6fd0}.st5{fill:#57606a}"
	".p0{fill:#7a8fa6}.p1{fill:#b58fc2}.p2{fill:#7fb8a4}.p3{fill:#c9a26b}.p4{fill:#93a0d8}.p5{fill:#c98b8b}"
	".p6{fill:#9fbf72}.p7{fill:#8ab6c9}"
	".dim{fill-opacity:.35}.mark{fill:#24292f;stroke:none}.deny{stroke:#c1121f;stroke-width:1.8;fill:none}"
	".key{stroke:#6e40aa;stroke-width:1.6}.lens{fill:#2f6fd0;fill-opacity:.09;stroke:#2f6fd0;stroke-opacity:.55}"
	".rtt{fill:#2f6fd0}.loss{fill:#c1121f}.no{fill:#24292f}.not{fill:#ffffff;font-size:10px;font-weight:600}"
	"@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bg{fill:#0d1117}.s{fill:#9198a1}"
	".in{fill:#ffffff}.id{fill:#1b1f24}.grid{stroke:#30363d}.frame{stroke:#6e7681}.mark{fill:#e6edf3}"
	".deny{stroke:#ff7b72}.key{stroke:#bc8cff}.no{fill:#e6edf3}.not{fill:#0d1117}.rtt{fill:#79b8ff}.loss{fill:#ff7b72}}";

struct picture {
	FILE *out;
	const struct timeline *t;
};

struct view { /* one axis of time */
	int64_t from, to;
	double y;
	bool all;
};

/* --- pieces --- */

static void put_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '"')
			fputs("&quot;", out);
		else
			fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, out);
	}
}

static void put_text(const struct picture *p, double x, double y, const char *class, const char *anchor,
		     const char *text)
{
	fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class, anchor);
	put_escaped(p->out, text);
	fputs("</text>\n", p->out);
}

static void put_rect(const struct picture *p, double x, double y, double w, double h, const char *class)
{
	fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y,
		w, h, class);
}

static double x_of(const struct view *v, int64_t us)
{
	return LEFT + (double)(us - v->from) / (double)(v->to - v->from) * PLOT;
}

static bool is_in(const struct view *v, int64_t us)
{
	return us >= v->from && us <= v->to;
}

/* --- a lane --- */

/* A text inside of a band, where it fits. */
static void put_inside(const struct picture *p, double x, double w, double y, const char *text,
		       const char *class)
{
	if (w > 7.2 * (double)strlen(text) + 8)
		put_text(p, x + w / 2, y, class, "middle", text);
}

static void put_states(const struct picture *p, const struct view *v, const struct tl_lane *l, double y)
{
	uint8_t column[PLOT];

	timeline_raster(l, v->from, v->to, column, PLOT);
	for (size_t i = 0, first = 0; i <= PLOT; i++) {
		char class[8];

		if (i < PLOT && column[i] == column[first])
			continue;
		if (column[first] != STATE_COUNT) {
			snprintf(class, sizeof(class), "st%u", column[first]);
			put_rect(p, (double)(LEFT + first), y, (double)(i - first), BAND, class);
			put_inside(p, (double)(LEFT + first), (double)(i - first), y + 15,
				   state_name(column[first]),
				   column[first] == STATE_VOLATILE ? "in id" : "in");
		}
		first = i;
	}
}

/* Its log says nothing more, but the other end's does: so it was when it was last heard of. */
static void put_silence(const struct picture *p, const struct view *v, const struct tl_lane *l, double y)
{
	const struct tl_event *last = &l->event[l->events - 1];
	double from = x_of(v, l->until < v->from ? v->from : l->until);
	char class[16];

	if (last->to == STATE_TERMINATED || l->until >= v->to || p->t->to <= l->until)
		return;
	snprintf(class, sizeof(class), "st%u dim", last->to);
	put_rect(p, from, y, x_of(v, v->to < p->t->to ? v->to : p->t->to) - from, BAND, class);
}

static void put_paths(const struct picture *p, const struct view *v, const struct tl_lane *l, double y)
{
	uint8_t column[PLOT];
	char buf[16];

	timeline_raster_path(l, v->from, v->to, column, PLOT);
	for (size_t i = 0, first = 0; i <= PLOT; i++) {
		char class[8];

		if (i < PLOT && column[i] == column[first])
			continue;
		if (column[first] != AUDIT_NO_PATH) {
			snprintf(class, sizeof(class), "p%u", column[first] % 8);
			put_rect(p, (double)(LEFT + first), y, (double)(i - first), STRIP, class);
			if (i - first > 7 * strlen(timeline_path(l, column[first], buf)) + 10)
				put_text(p, (double)(LEFT + first) + 4, y + 20, "s", "start",
					 timeline_path(l, column[first], buf));
		}
		first = i;
	}
}

enum mark { MARK_NONE, MARK_SWITCH, MARK_REBOUND, MARK_DENIED, MARK_REKEY, MARK_END, MARKS_COUNT };

static enum mark mark_of(const struct tl_event *e)
{
	switch (e->event) {
	case AUDIT_TRANSPORT_SWITCH:
		return MARK_SWITCH;
	case AUDIT_TRANSPORT_REBOUND:
		return MARK_REBOUND;
	case AUDIT_TRANSPORT_SWITCH_DENIED:
	case AUDIT_SECURITY_REPLAY_DETECTED:
	case AUDIT_SECURITY_VALIDATION_FAILED:
		return MARK_DENIED;
	case AUDIT_SESSION_REKEYED:
		return MARK_REKEY;
	case AUDIT_SESSION_TERMINATED:
		return MARK_END;
	default:
		return MARK_NONE;
	}
}

static void put_mark(const struct picture *p, enum mark m, double x, double y, uint64_t n)
{
	char times[24];

	switch (m) {
	case MARK_SWITCH:
		fprintf(p->out, "<path class=\"mark\" d=\"M%.1f %.1fh9l-4.5 8z\"/>\n", x - 4.5, y);
		break;
	case MARK_REBOUND:
		fprintf(p->out, "<path class=\"mark\" d=\"M%.1f %.1fl4.5 4.5l-4.5 4.5l-4.5 -4.5z\"/>\n", x,
			y - .5);
		break;
	case MARK_DENIED:
		fprintf(p->out, "<path class=\"deny\" d=\"M%.1f %.1fl7 7m0 -7l-7 7\"/>\n", x - 3.5, y);
		break;
	case MARK_REKEY:
		fprintf(p->out, "<path class=\"key\" d=\"M%.1f %.1fv8\"/>\n", x, y);
		break;
	case MARK_END:
		fprintf(p->out, "<rect class=\"mark\" x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\"/>\n",
			x - 4, y);
		break;
	default:
		break;
	}
	if (n > 1) {
		snprintf(times, sizeof(times), "×%" PRIu64, n);
		put_text(p, x + 6, y + 8, "s", "start", times);
	}
}

/* Marks of one kind that would cover one another become one, with their number. */
static void put_marks(const struct picture *p, const struct view *v, const struct tl_lane *l, double y)
{
	for (enum mark m = MARK_SWITCH; m < MARKS_COUNT; m++) {
		double x = -100;
		uint64_t n = 0;

		for (size_t i = 0; i < l->events; i++) {
			const struct tl_event *e = &l->event[i];

			if (mark_of(e) != m || !is_in(v, e->us))
				continue;
			if (n > 0 && x_of(v, e->us) - x > (m == MARK_REKEY ? 4 : 46)) {
				put_mark(p, m, x, y, n);
				n = 0;
			}
			if (n == 0)
				x = x_of(v, e->us);
			n += e->count;
		}
		if (n > 0)
			put_mark(p, m, x, y, n);
	}
}

/* Round-trip time and loss of the active path, where records tell of them. */
static bool put_quality(const struct picture *p, const struct view *v, const struct tl_lane *l, double y)
{
	uint32_t most = 0, seen = 0, lossy = 0;
	double last_x = -10;
	char span[32], text[64];

	for (size_t i = 0; i < l->events; i++) {
		const struct tl_event *e = &l->event[i];

		if (!is_in(v, e->us) || e->srtt_us == 0)
			continue;
		seen++;
		lossy = e->loss_ppm > lossy ? e->loss_ppm : lossy;
		most = e->srtt_us > most ? e->srtt_us : most;
	}
	if (seen < 2)
		return false;
	snprintf(text, sizeof(text), "rtt 0 to %s%s", timeline_span(most, span), lossy ? ", loss" : "");
	put_text(p, LEFT - 10, y + QUALITY - 8, "s", "end", text);
	fprintf(p->out, "<path class=\"grid\" d=\"M%d %.1fh%d\"/>\n", LEFT, y + QUALITY, PLOT);
	for (size_t i = 0; i < l->events; i++) {
		const struct tl_event *e = &l->event[i];
		const double x = x_of(v, e->us);

		if (!is_in(v, e->us) || e->srtt_us == 0 || x - last_x < 1)
			continue;
		last_x = x;
		if (e->loss_ppm > 0)
			put_rect(p, x - 1, y + QUALITY * (1 - e->loss_ppm / 1e6), 2,
				 QUALITY * e->loss_ppm / 1e6, "loss");
		fprintf(p->out, "<circle class=\"rtt\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>\n", x,
			y + QUALITY - (QUALITY - 3) * (double)e->srtt_us / most);
	}
	return true;
}

/* --- a view --- */

static void put_axis(const struct picture *p, const struct view *v, double bottom)
{
	const int64_t step = timeline_step(v->to - v->from, TICKS);
	const int64_t origin = v->all ? 0 : v->from;
	char text[40];

	for (int64_t us = origin + (v->from - origin + step - 1) / step * step; us <= v->to; us += step) {
		const double x = x_of(v, us);

		fprintf(p->out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", x, v->y + (v->all ? 22 : 0),
			bottom);
		if (v->all)
			timeline_clock(us, step, text);
		else if (us == origin)
			snprintf(text, sizeof(text), "0");
		else
			snprintf(text + 1, sizeof(text) - 1, "%s", timeline_span(us - origin, (char[32]){ 0 }));
		if (!v->all && us != origin)
			text[0] = '+';
		put_text(p, x, bottom + 15, "s", x > WIDTH - 60 ? "end" : "middle", text);
	}
}

static void put_lane_name(const struct picture *p, const struct tl_lane *l, double y)
{
	char name[96];

	put_text(p, LEFT - 10, y + 15, "", "end", timeline_end(l, name));
	put_text(p, LEFT - 10, y + BAND + STRIP + 2, "s", "end", "path");
}

static bool is_same(const struct tl_lane *a, const struct tl_lane *b)
{
	return memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

static void put_session_name(const struct picture *p, size_t lane, double y)
{
	const struct tl_lane *l = &p->t->lane[lane];
	const char *peer = "";
	char hex[33], text[160];

	for (size_t i = lane; i < p->t->lanes && is_same(l, &p->t->lane[i]); i++)
		if (!p->t->lane[i].client)
			peer = p->t->lane[i].peer;
	hex_encode(hex, l->id, sizeof(l->id));
	snprintf(text, sizeof(text), "session %.8s%s%s", hex, peer[0] ? ", peer " : "", peer);
	put_text(p, LEFT, y, "t", "start", text);
}

/* The lanes chosen (NULL: all); where they end. */
static double put_lanes(const struct picture *p, const struct view *v, bool names, const bool *chosen)
{
	double y = v->y;

	for (size_t i = 0; i < p->t->lanes; i++) {
		const struct tl_lane *l = &p->t->lane[i];

		if (chosen && !chosen[i])
			continue;
		if (names && (i == 0 || !is_same(l, l - 1))) {
			y += 20;
			put_session_name(p, i, y - 4);
		}
		put_lane_name(p, l, y + MARKS);
		put_states(p, v, l, y + MARKS);
		put_silence(p, v, l, y + MARKS);
		put_paths(p, v, l, y + MARKS + BAND + 1);
		put_marks(p, v, l, y + 4);
		y += LANE + 6;
		if (put_quality(p, v, l, y))
			y += QUALITY + 10;
	}
	return y;
}

/* --- moments under a glass --- */

static void choose_lanes(const struct timeline *t, const struct tl_glass *g, bool *chosen)
{
	memset(chosen, 0, t->lanes);
	for (size_t i = g->first; i <= g->last; i++)
		for (size_t k = 0; k < t->lanes; k++)
			if (is_same(&t->lane[k], &t->lane[t->episode[i].lane]))
				chosen[k] = true;
}

/* Lanes over their grid; what is drawn first lies below, and the lanes tell how long the grid is to be. */
static double put_view(const struct picture *p, const struct view *v, bool names, const bool *chosen,
		       double margin)
{
	char *lanes = NULL;
	size_t len = 0;
	const struct picture over = { open_memstream(&lanes, &len), p->t };
	double bottom = v->y;

	if (!over.out)
		return bottom;
	bottom = put_lanes(&over, v, names, chosen) + margin;
	put_axis(p, v, bottom);
	if (fclose(over.out) == 0)
		fputs(lanes, p->out);
	free(lanes);
	return bottom;
}

static double put_glass(const struct picture *p, const struct tl_glass *g, size_t number, double y)
{
	struct view v = { g->from, g->to, y + 14, false };
	bool chosen[64] = { false };
	char title[200], date[40], span[32], n[8];
	double bottom;

	choose_lanes(p->t, g, chosen);
	snprintf(n, sizeof(n), "%c", (char)('A' + number));
	snprintf(title, sizeof(title), "%s from %s", timeline_span(v.to - v.from, span), timeline_date(v.from, date));
	put_rect(p, LEFT, y - 12, 18, 16, "no");
	put_text(p, LEFT + 9, y, "not", "middle", n);
	put_text(p, LEFT + 26, y, "t", "start", title);
	bottom = put_view(p, &v, false, chosen, 0);
	return bottom + 44;
}

static void put_lenses(const struct picture *p, const struct view *v, const struct tl_glass *glass, size_t n,
		       double bottom)
{
	for (size_t i = 0; i < n; i++) {
		double x = x_of(v, glass[i].from), w = x_of(v, glass[i].to) - x;
		char name[2] = { (char)('A' + i), '\0' };

		x -= w < 10 ? (10 - w) / 2 : 0;
		put_rect(p, x, v->y + 20, w < 10 ? 10 : w, bottom - v->y - 20, "lens");
		put_text(p, x + (w < 10 ? 5 : w / 2), bottom - 2, "s", "middle", name);
	}
}

/* --- all around --- */

static void put_legend(const struct picture *p, double y)
{
	static const enum state states[] = { STATE_BIRTH, STATE_ATTACHED, STATE_VOLATILE, STATE_RECOVERING,
					     STATE_DEGRADED };
	static const struct {
		enum mark mark;
		const char *text;
	} marks[] = {
		{ MARK_SWITCH, "switch" }, { MARK_REBOUND, "rebinding" }, { MARK_DENIED, "refused" },
		{ MARK_REKEY, "rekey" },   { MARK_END, "end" },
	};
	double x = LEFT;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		char class[8];

		snprintf(class, sizeof(class), "st%u", states[i]);
		put_rect(p, x, y - 10, 12, 12, class);
		put_text(p, x + 16, y, "s", "start", state_name(states[i]));
		x += 30 + 7.6 * (double)strlen(state_name(states[i]));
	}
	x += 12;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		put_mark(p, marks[i].mark, x + 5, y - 8, 1);
		put_text(p, x + 14, y, "s", "start", marks[i].text);
		x += 28 + 6.4 * (double)strlen(marks[i].text);
	}
}

static double put_story(const struct picture *p, double y)
{
	const struct timeline *t = p->t;
	size_t chosen[TL_TOLD];
	const size_t n = timeline_choose_longest(t, chosen);
	char text[240], clock[40];

	if (n == 0)
		return y;
	snprintf(text, sizeof(text), "What happened");
	if (n < t->episodes)
		snprintf(text, sizeof(text), "What happened: the longest %zu of %zu disturbances", n,
			 t->episodes);
	put_text(p, LEFT, y, "t", "start", text);
	for (size_t i = 0; i < n; i++) {
		const struct tl_episode *e = &t->episode[chosen[i]];
		char end[96], who[200], hex[33];

		y += 18;
		hex_encode(hex, t->lane[e->lane].id, sizeof(t->lane[e->lane].id));
		snprintf(who, sizeof(who), "%.8s %s", hex, timeline_end(&t->lane[e->lane], end));
		timeline_tell(t, e, text, sizeof(text));
		put_text(p, LEFT, y, "mono", "start", timeline_clock(e->from, 1000, clock));
		put_text(p, LEFT + 108, y, "s", "start", who);
		put_text(p, LEFT + 268, y, "", "start", text);
	}
	return y + 14;
}

static double put_notes(const struct picture *p, double y)
{
	const struct timeline *t = p->t;
	char text[200];

	put_text(
		p, LEFT, y, "s", "start",
		"Where several states share a pixel, the worst is drawn. A number at a mark: so many, too close to be "
		"told apart. Pale: its log says no more. Times are UTC.");
	if (t->left_out > 0) {
		snprintf(text, sizeof(text), "%" PRIu64 " more sessions are not drawn.", t->left_out);
		put_text(p, LEFT, y += 16, "s", "start", text);
	}
	if (t->lost + t->skipped > 0) {
		snprintf(text, sizeof(text),
			 "%" PRIu64 " records are missing, %" PRIu64 " lines could not be read.", t->lost,
			 t->skipped);
		put_text(p, LEFT, y += 16, "s", "start", text);
	}
	return y + 16;
}

static double put_picture(const struct picture *p)
{
	const struct timeline *t = p->t;
	struct view all = { t->from, t->to, 74, true };
	struct tl_glass glass[TL_GLASSES];
	size_t n = timeline_choose_glasses(t, glass);
	char title[160], from[40], span[32];
	double bottom;

	snprintf(title, sizeof(title), "%s, from %s", timeline_span(t->to - t->from, span), timeline_date(t->from, from));
	put_text(p, LEFT, 30, "h", "start", title);
	put_legend(p, 56);
	bottom = put_view(p, &all, true, NULL, 4);
	put_lenses(p, &all, glass, n, bottom);
	bottom += 52;
	for (size_t i = 0; i < n; i++)
		bottom = put_glass(p, &glass[i], i, bottom);
	bottom = put_story(p, bottom);
	return put_notes(p, bottom + 10);
}

void timeline_svg(FILE *out, const struct timeline *t)
{
	char *body = NULL;
	size_t len = 0;
	struct picture p = { open_memstream(&body, &len), t };
	double height;

	if (!p.out)
		return;
	height = put_picture(&p);
	if (fclose(p.out) == 0)
		fprintf(out,
			"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n"
			"<style>%s</style>\n<rect class=\"bg\" width=\"100%%\" height=\"100%%\"/>\n%s</svg>\n",
			WIDTH, height, WIDTH, height, style, body);
	free(body);
}
