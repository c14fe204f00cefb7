/*
 * Scenario files for the namespace runner, tests/net/scenario.sh.
 *
 *     scenario check FILE...              says what is wrong with them; exit 1 when anything is
 *     scenario plan FILE                  what there is to set up and to do, a line each, words between tabs
 *     scenario clock                      boot clock minus wall clock, in us
 *     scenario judge FILE --start US --end US --done F --client LOG --server LOG --probe OUT --slack X [--json F]
 *                                         verdicts; exit 1 when one is bad. --start, --end: boot clock at time 0 and when
 *                                         all was over; --done: lines "PLANNED_US BOOT_US", when events really happened
 *     scenario reached FILE --at US --start US --done F --client LOG --server LOG
 *                                         exit 1 until all has come that the plan expects before that time of it
 *     scenario table FILE...              of JSON lines of judge: per check of each scenario median and worst
 */
#include <getopt.h>
#include <jansson.h>

#include "scenario/scenario.h"
#include "tool.h"

static struct scn scn;

static void read_scenario(const char *file)
{
	char error[SCN_ERROR];

	if (!scn_read(&scn, file, SCN_NET, error))
		die("%s", error);
}

static int check(char **files, int n)
{
	char error[SCN_ERROR];
	int bad = 0;

	for (int i = 0; i < n; i++) {
		if (scn_read(&scn, files[i], SCN_NET, error) && scn_read(&scn, files[i], SCN_SIM, error))
			continue;
		puts(error);
		bad++;
	}
	return bad > 0;
}

/* --- plan --- */

static void plan_policy(void)
{
	char value[32];

	for (size_t at = 0; at < sizeof(struct policy); at += sizeof(uint32_t)) {
		uint32_t v, def;

		memcpy(&v, (const char *)&scn.policy + at, sizeof(v));
		memcpy(&def, (const char *)&policy_defaults + at, sizeof(def));
		if (v == def)
			continue;
		scn_policy_value(at, v, value);
		printf("policy\t%s\t%s\n", scn_policy_key(at), value);
	}
}

static const char *way_text(unsigned int ways)
{
	return ways == (SCN_UP | SCN_DOWN) ? "both" : ways == SCN_UP ? "up" : "down";
}

static void plan_later(const struct scn_event *e, const char *op, const char *whom)
{
	printf("at\t%lld\t%s\t%s\n", (long long)(e->at_us + e->lasts_us), op, whom);
}

/* What lasts has an end of its own; the runner sorts by time. */
static void plan_event(const struct scn_event *e)
{
	const char *path = scn.path[e->path].name, *wire = scn.path[scn.path[e->path].wire].name;
	const char *end = e->end == SCN_SERVER ? "server" : "client";
	char value[32];

	printf("at\t%lld\t", (long long)e->at_us);
	switch (e->op) {
	case SCN_OP_LINK:
		printf("link\t%s\t%s\t%s\n", wire, way_text(e->ways), e->clear ? "clear" : e->words);
		break;
	case SCN_OP_CARRIER:
		printf("carrier\t%s\t%s\n", wire, e->on ? "on" : "off");
		break;
	case SCN_OP_INTERFACE:
		printf("interface\t%s\t%s\n", wire, e->on ? "up" : "down");
		break;
	case SCN_OP_ADDR:
		printf("addr\t%s\t%s\n", wire, e->on ? "back" : !e->v6 ? "v4" : !e->v4 ? "v6" : "all");
		break;
	case SCN_OP_NAT:
		printf("nat\t%s\t%s\n", path, e->on ? "poison" : "rebind");
		break;
	case SCN_OP_JUMP:
		printf("jump\t%s\n", path);
		break;
	case SCN_OP_TERMINATE:
		printf("terminate\t%s\n", end);
		break;
	case SCN_OP_RELOAD:
		scn_policy_value(e->policy_at, e->policy_value, value);
		printf("reload\t%s\t%s\n", scn_policy_key(e->policy_at), value);
		break;
	case SCN_OP_RESTART:
		printf("kill\t%s\n", end);
		plan_later(e, "start", end);
		break;
	case SCN_OP_SUSPEND:
		printf("sleep\t%s\n", end);
		plan_later(e, "wake", end);
		break;
	case SCN_OP_REPLAY:
	case SCN_OP_FORGE:
		printf("flood\t%s\t%u\n", e->op == SCN_OP_REPLAY ? "replay" : "flip", e->per_s);
		plan_later(e, "calm", "");
		break;
	case SCN_OPS:
		break;
	}
}

static int plan(const char *file)
{
	read_scenario(file);
	printf("title\t%s\n", scn.title);
	printf("runners\t%s\n", scn.runners & SCN_NET ? "net" : "");
	for (unsigned int i = 0; i < scn.paths; i++) {
		const struct scn_path *p = &scn.path[i];
		printf("path\t%s\t%s\t%s\t%s\t%s\n", p->name, scn.path[p->wire].name, p->v6 ? "v6" : "v4",
		       p->nat ? "nat" : "-", p->words[0] ? p->words : "none");
	}
	plan_policy();
	if (scn.probe_every_us)
		printf("probes\t%lld\t%u\n", (long long)scn.probe_every_us, scn.probe_size);
	if (scn.tcp_ways)
		printf("tcp\t%s\t%u\n", way_text(scn.tcp_ways), scn.tcp_mbit);
	for (size_t i = 0; i < scn.events; i++)
		plan_event(&scn.event[i]);
	printf("end\t%lld\n", (long long)scn.end_us);
	return 0;
}

static int clock_difference(void)
{
	struct timespec boot, wall;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	printf("%lld\n",
	       ((long long)boot.tv_sec - wall.tv_sec) * 1000000 + (boot.tv_nsec - wall.tv_nsec) / 1000);
	return 0;
}

/* --- judge --- */

struct files {
	const char *done, *log[SCN_ENDS], *probe, *json;
	int64_t start_us, end_us, at_us;
	double slack;
};

static unsigned int number_of(const json_t *name, const char *(*text)(unsigned int), unsigned int most)
{
	for (unsigned int i = 0; i < most; i++)
		if (json_is_string(name) && text(i) && strcmp(text(i), json_string_value(name)) == 0)
			return i;
	return most;
}

static void read_record(struct scn_outcome *o, enum scn_end end, const json_t *v, const struct files *files,
			const char *line)
{
	struct scn_record r = { .end = end, .path = AUDIT_NO_PATH };
	const json_t *path = json_object_get(v, "path_to");
	const char *id = json_string_value(json_object_get(v, "session_id"));
	const unsigned int event =
		number_of(json_object_get(v, "event_type"), audit_event_name, AUDIT_EVENT_COUNT);

	if (event == AUDIT_EVENT_COUNT || !json_is_integer(json_object_get(v, "boot_us")))
		die("not an audit record: %s", line);
	r.at_us = json_integer_value(json_object_get(v, "boot_us")) - files->start_us;
	r.event = (enum audit_event)event;
	r.to = (enum state)number_of(json_object_get(v, "to"), state_name, STATE_COUNT);
	r.reason = (enum reason)(number_of(json_object_get(v, "reason_code"), reason_name, REASON_MAX + 1) %
				 (REASON_MAX + 1));
	if (json_is_integer(path))
		r.path = (uint8_t)json_integer_value(path);
	for (unsigned int i = 0;
	     id && i < sizeof(r.session_id) && sscanf(id + (size_t)2 * i, "%2hhx", &r.session_id[i]) == 1;
	     i++)
		;
	if (r.at_us <= files->end_us - files->start_us)
		scn_record_add(o, r);
}

static void read_log(struct scn_outcome *o, enum scn_end end, const struct files *files)
{
	const char *file = files->log[end];
	FILE *f = file ? fopen(file, "r") : NULL;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!f)
		die("%s: %s", file ? file : "--client and --server", strerror(errno));
	while ((n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n') {
		json_t *v = json_loadb(line, (size_t)n, 0, NULL);
		if (!v)
			die("%s: not JSON: %s", file, line);
		read_record(o, end, v, files, line);
		json_decref(v);
	}
	free(line);
	fclose(f);
}

/* Since time 0. */
static int64_t probe_us(const json_t *probe, const char *key, int64_t start_us)
{
	return json_integer_value(json_object_get(probe, "start_boot_us")) - start_us +
	       (int64_t)(json_number_value(json_object_get(probe, key)) * 1e3);
}

static void read_probe(struct scn_outcome *o, const char *file, int64_t start_us)
{
	json_t *v = json_load_file(file, 0, NULL);

	if (!v)
		die("%s: not JSON", file);
	o->sent = (uint64_t)json_integer_value(json_object_get(v, "sent"));
	o->came_back = (uint64_t)json_integer_value(json_object_get(v, "received"));
	o->gap_us = (int64_t)(json_number_value(json_object_get(v, "longest_gap_ms")) * 1e3);
	o->first_lost_us = probe_us(v, "first_lost_ms", start_us);
	o->last_lost_us = probe_us(v, "last_lost_ms", start_us);
	json_decref(v);
}

static void read_moments(struct scn_outcome *o, const char *file, int64_t start_us)
{
	FILE *f = fopen(file, "r");
	long long planned, done;

	if (!f)
		die("%s: %s", file, strerror(errno));
	while (o->moments < SCN_EVENTS && fscanf(f, "%lld %lld\n", &planned, &done) == 2) {
		if (o->moments > 0 && o->moment[o->moments - 1].planned_us == planned)
			continue; /* of several things at one moment the first counts */
		o->moment[o->moments].planned_us = planned;
		o->moment[o->moments++].done_us = done - start_us;
	}
	fclose(f);
}

static void read_outcome(struct scn_outcome *o, const struct files *f)
{
	read_moments(o, f->done, f->start_us);
	for (unsigned int i = 0; i < SCN_ENDS; i++)
		read_log(o, (enum scn_end)i, f);
}

static int reached(const struct files *f)
{
	static struct scn_outcome o;
	bool yes;

	read_outcome(&o, f);
	yes = scn_reached(&scn, &o, f->at_us);
	free(o.record);
	return !yes;
}

static int judge(const struct files *f)
{
	static struct scn_verdict verdict[SCN_CHECKS];
	static struct scn_outcome o;
	size_t bad;
	FILE *json;

	read_outcome(&o, f);
	if (scn.probe_every_us)
		read_probe(&o, f->probe, f->start_us);
	bad = scn_judge(&scn, &o, f->slack, verdict);
	scn_print(stdout, verdict, scn.checks, true);
	json = f->json ? fopen(f->json, "w") : NULL;
	if (f->json && !json)
		die("%s: %s", f->json, strerror(errno));
	if (json) {
		scn_print_json(json, &scn, "net", verdict, scn.checks);
		fclose(json);
	}
	free(o.record);
	return bad > 0;
}

/* --- table --- */

static int compare_double(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The runs of one scenario, whose first is `first`: a row for each check. */
static void table_rows(const json_t *runs, size_t first)
{
	const json_t *head = json_array_get(runs, first), *checks = json_object_get(head, "checks");
	const char *name = json_string_value(json_object_get(head, "scenario"));
	double *v = calloc(json_array_size(runs) + 1, sizeof(*v));

	for (size_t c = 0; v && c < json_array_size(checks); c++) {
		const json_t *check = json_array_get(checks, c), *run;
		size_t n = 0, total = 0, ok = 0, i;

		json_array_foreach(runs, i, run) {
			const json_t *x = json_array_get(json_object_get(run, "checks"), c);
			if (strcmp(json_string_value(json_object_get(run, "scenario")), name) != 0)
				continue;
			total++;
			ok += json_is_true(json_object_get(x, "ok"));
			if (json_is_number(json_object_get(x, "measured")))
				v[n++] = json_number_value(json_object_get(x, "measured"));
		}
		qsort(v, n, sizeof(*v), compare_double);
		printf("%-22s %-60s %3zu/%-3zu %8.6g %9.4g %9.4g %s\n", c ? "" : name,
		       json_string_value(json_object_get(check, "what")), ok, total,
		       json_number_value(json_object_get(check, "bound")), n ? v[n / 2] : -1,
		       n ? v[n - 1] : -1, json_string_value(json_object_get(check, "unit")));
	}
	free(v);
}

static int table(char **files, int n)
{
	json_t *runs = json_array();

	for (int i = 0; i < n; i++) {
		json_t *v = json_load_file(files[i], 0, NULL);
		if (!v)
			die("%s: not JSON", files[i]);
		json_array_append_new(runs, v);
	}
	printf("%-22s %-60s %7s %8s %9s %9s\n", "scenario", "what", "ok", "bound", "median", "worst");
	for (size_t i = 0; i < json_array_size(runs); i++) {
		const json_t *name = json_object_get(json_array_get(runs, i), "scenario");
		if (i == 0 || !json_equal(name, json_object_get(json_array_get(runs, i - 1), "scenario")))
			table_rows(runs, i);
	}
	json_decref(runs);
	return 0;
}

static void usage(void)
{
	die("usage: scenario check FILE... | plan FILE | clock | table FILE... | judge FILE --start US --end US --done F "
	    "--client LOG --server LOG --probe OUT --slack X [--json F] | reached FILE --at US ...");
}

static const struct option long_options[] = {
	{ "start", required_argument, NULL, 's' },  { "end", required_argument, NULL, 'e' },
	{ "at", required_argument, NULL, 'a' },     { "done", required_argument, NULL, 'd' },
	{ "client", required_argument, NULL, 'C' }, { "server", required_argument, NULL, 'S' },
	{ "probe", required_argument, NULL, 'p' },  { "slack", required_argument, NULL, 'f' },
	{ "json", required_argument, NULL, 'j' },   { NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct files f = { .slack = 1, .end_us = INT64_MAX };
	const char *mode = argc > 1 ? argv[1] : "";
	int c;

	if (strcmp(mode, "clock") == 0)
		return clock_difference();
	if (argc < 3)
		usage();
	if (strcmp(mode, "check") == 0)
		return check(argv + 2, argc - 2);
	if (strcmp(mode, "table") == 0)
		return table(argv + 2, argc - 2);
	if (strcmp(mode, "plan") == 0)
		return plan(argv[2]);
	if (strcmp(mode, "judge") != 0 && strcmp(mode, "reached") != 0)
		usage();
	while ((c = getopt_long(argc - 2, argv + 2, "", long_options, NULL)) != -1) {
		switch (c) {
		case 's':
			f.start_us = (int64_t)parse_number(optarg);
			break;
		case 'e':
			f.end_us = (int64_t)parse_number(optarg);
			break;
		case 'a':
			f.at_us = (int64_t)parse_number(optarg);
			break;
		case 'd':
			f.done = optarg;
			break;
		case 'C':
			f.log[SCN_CLIENT] = optarg;
			break;
		case 'S':
			f.log[SCN_SERVER] = optarg;
			break;
		case 'p':
			f.probe = optarg;
			break;
		case 'f':
			f.slack = strtod(optarg, NULL);
			break;
		case 'j':
			f.json = optarg;
			break;
		default:
			usage();
		}
	}
	if (!f.done)
		usage();
	read_scenario(argv[2]);
	return strcmp(mode, "judge") == 0 ? judge(&f) : reached(&f);
}
