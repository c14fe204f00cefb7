/* `jumpvpnd verify`: holds audit logs to the contract. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "crypto/crypto.h"
#include "report/ledger.h"
#include "report/logs.h"

static const char usage[] =
	"usage: jumpvpnd verify [--json] LOG...\n\n"
	"Reads audit logs (JSON lines; \"-\" is standard input), rebuilds every session from them, and checks that\n"
	"the logs are whole and that no rule of the contract was broken. Several logs may be those of one daemon,\n"
	"rotated, or of several nodes, or of both ends of sessions: it finds out and says so.\n\n"
	"  --json  one JSON object with findings, notes and summary\n\n" CMD_EXIT_CODES;

enum { FINDINGS_MAX = 200, FILE_SHIFT = 40 };

struct report {
	char **paths;
	bool json;
	uint64_t findings, notes;
	json_t *finding_list, *note_list;
	struct ledger **log;
	unsigned int logs;
};

static uint64_t place(const struct logs_line *line)
{
	return (uint64_t)line->file << FILE_SHIFT | line->number;
}

static void keep(struct report *rep, bool is_note, const struct verify_finding *f, const char *file,
		 uint64_t line, const char *id)
{
	json_t *o = json_pack("{s:s, s:I, s:s, s:s*, s:s}", "file", file, "line", (json_int_t)line, "rule",
			      f->rule, "session_id", f->has_session ? id : NULL, "text", f->text);

	json_array_append_new(is_note ? rep->note_list : rep->finding_list, o);
}

static void found(void *ctx, const struct verify_finding *f)
{
	struct report *rep = ctx;
	const char *file = rep->paths[f->line >> FILE_SHIFT];
	const uint64_t line = f->line & ((UINT64_C(1) << FILE_SHIFT) - 1);
	const bool is_note = strcmp(f->rule, "note") == 0;
	const uint64_t n = is_note ? rep->notes++ : rep->findings++;
	char id[2 * sizeof(f->session_id) + 1];

	hex_encode(id, f->session_id, sizeof(f->session_id));
	if (n >= FINDINGS_MAX)
		return;
	if (rep->json)
		keep(rep, is_note, f, file, line, id);
	else if (f->has_session)
		printf("%s:%" PRIu64 ": %s: session %s: %s\n", file, line, f->rule, id, f->text);
	else
		printf("%s:%" PRIu64 ": %s: %s\n", file, line, f->rule, f->text);
}

/* --- how the logs were read, and what is in them --- */

static void format_time(char out[32], uint64_t ts_ms)
{
	const time_t t = (time_t)(ts_ms / 1000);
	struct tm tm;
	size_t n = 0;

	if (gmtime_r(&t, &tm))
		n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%03uZ", (unsigned int)(ts_ms % 1000));
}

static json_t *json_log(const struct report *rep, const struct logs *logs, unsigned int i)
{
	struct ledger_totals t;
	const unsigned int *files;
	const unsigned int n = logs_files(logs, i, &files);
	char head[2 * AUDIT_CHAIN_LEN + 1];
	json_t *names = json_array();

	for (unsigned int k = 0; k < n; k++)
		json_array_append_new(names, json_string(rep->paths[files[k]]));
	ledger_totals(rep->log[i], &t);
	hex_encode(head, t.head, sizeof(t.head));
	return json_pack("{s:o, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:s}", "files", names, "role",
			 t.client ? "client" : "server", "node_id", (int)t.node_id, "lines",
			 (json_int_t)t.lines, "runs", (json_int_t)t.runs, "unlogged", (json_int_t)t.unlogged,
			 "first_ts_ms", (json_int_t)t.first_ts_ms, "last_ts_ms", (json_int_t)t.last_ts_ms,
			 "chain", head);
}

static void print_log(const struct report *rep, const struct logs *logs, unsigned int i)
{
	struct ledger_totals t;
	const unsigned int *files;
	const unsigned int n = logs_files(logs, i, &files);
	char head[2 * AUDIT_CHAIN_LEN + 1], first[32], last[32];

	for (unsigned int k = 0; k < n; k++)
		printf("%s%s", k ? ", then " : "", rep->paths[files[k]]);
	ledger_totals(rep->log[i], &t);
	if (t.lines == 0) {
		printf(": no records\n");
		return;
	}
	hex_encode(head, t.head, sizeof(t.head));
	format_time(first, t.first_ts_ms);
	format_time(last, t.last_ts_ms);
	if (t.client)
		printf(": a client");
	else
		printf(": the server of node %u", t.node_id);
	printf(", %" PRIu64 " records in %" PRIu64 " run%s, %s to %s\n  the chain ends with %s\n", t.lines,
	       t.runs, t.runs == 1 ? "" : "s", first, last, head);
}

static void print_summary(const struct report *rep, const struct verify_totals *t)
{
	if (rep->findings > FINDINGS_MAX)
		printf("... and %" PRIu64 " more\n", rep->findings - FINDINGS_MAX);
	printf("%" PRIu64 " records, %" PRIu64 " sessions, %" PRIu64 " switches, %" PRIu64
	       " rebindings, %" PRIu64 " denials\n",
	       t->records, t->sessions, t->switches, t->rebindings, t->denials);
	if (t->lost > 0 || t->adopted > 0)
		printf("missing: %" PRIu64 " records; %" PRIu64 " sessions without their beginning, %" PRIu64
		       " taken up again behind a gap: what the records left say was checked\n",
		       t->lost, t->adopted, t->resumed);
	if (t->late > 0)
		printf("late: %" PRIu64
		       " records of a worker that woke too late (asleep or stopped), by %u ms at most\n",
		       t->late, t->latest_ms);
	printf("data: %" PRIu64 " times ATTACHED are over, %" PRIu64 " of them without a packet to send and %" PRIu64
	       " under bounds not known here: there is nothing to hold to I12, nor yet in what goes on. What comes in is "
	       "in the other end's log\n",
	       t->stays, t->stays_silent, t->stays_unbound);
	printf("%" PRIu64 " violations\n", rep->findings);
}

static void json_report(const struct report *rep, const struct logs *logs, const struct verify_totals *t)
{
	json_t *list = json_array();
	json_t *o;

	for (unsigned int i = 0; i < rep->logs; i++)
		json_array_append_new(list, json_log(rep, logs, i));
	o = json_pack("{s:b, s:o, s:O, s:O, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "ok",
		      rep->findings == 0, "logs", list, "findings", rep->finding_list, "notes",
		      rep->note_list, "summary", "records", (json_int_t)t->records, "sessions",
		      (json_int_t)t->sessions, "switches", (json_int_t)t->switches, "rebindings",
		      (json_int_t)t->rebindings, "denials", (json_int_t)t->denials, "lost",
		      (json_int_t)t->lost, "adopted", (json_int_t)t->adopted, "resumed",
		      (json_int_t)t->resumed, "late", (json_int_t)t->late, "latest_ms",
		      (json_int_t)t->latest_ms, "stays", (json_int_t)t->stays, "stays_silent",
		      (json_int_t)t->stays_silent, "stays_unbound", (json_int_t)t->stays_unbound, "violations", (json_int_t)rep->findings);
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

/* --- the work --- */

static bool read_logs(struct report *rep, struct logs *logs)
{
	struct logs_line *line;
	bool failed;

	while (logs_next(logs, &line, &failed)) {
		struct ledger *log = rep->log[line->daemon];

		if (line->new_file)
			ledger_file(log);
		if (line->bad)
			ledger_bad(log, place(line), line->bad, line->torn);
		else
			ledger_line(log, place(line), line->text, &line->read);
	}
	for (unsigned int i = 0; i < rep->logs; i++)
		ledger_end(rep->log[i]);
	return !failed;
}

static int verify(struct report *rep, struct logs *logs)
{
	struct verify *v = verify_new(found, rep);
	struct verify_totals totals;
	uint32_t origins = 0;
	bool ok = v != NULL, whole = false;

	rep->logs = logs_daemons(logs);
	rep->log = calloc(rep->logs + 1, sizeof(struct ledger *));
	for (unsigned int i = 0; ok && rep->log && i < rep->logs; i++) {
		rep->log[i] = ledger_new(v, &origins, sha256_2, found, rep);
		ok = rep->log[i] != NULL;
	}
	if (ok && rep->log)
		whole = read_logs(rep, logs);
	else
		fprintf(stderr, "jumpvpnd verify: no memory\n");
	if (ok && rep->log) {
		verify_end(v);
		verify_totals(v, &totals);
		for (unsigned int i = 0; !rep->json && i < rep->logs; i++)
			print_log(rep, logs, i);
		if (rep->json)
			json_report(rep, logs, &totals);
		else
			print_summary(rep, &totals);
	}
	for (unsigned int i = 0; rep->log && i < rep->logs; i++)
		ledger_free(rep->log[i]);
	free(rep->log);
	verify_free(v);
	return whole && rep->findings == 0 ? EXIT_DONE : EXIT_NO;
}

int cmd_verify(int argc, char **argv)
{
	struct report rep = { .json = false };
	const struct option_place places[] = { { .name = "json", .flag = &rep.json }, { NULL } };
	const struct option_usage operands = { usage, .least = 1, .most = -1 };
	int code = options_read(argc, argv, places, &operands);
	struct logs *logs;

	if (code >= 0)
		return code;
	rep.paths = argv + optind;
	logs = logs_open(rep.paths, (unsigned int)(argc - optind));
	if (!logs)
		return EXIT_NO;
	rep.finding_list = json_array();
	rep.note_list = json_array();
	code = verify(&rep, logs);
	json_decref(rep.finding_list);
	json_decref(rep.note_list);
	logs_close(logs);
	if (fflush(stdout) || ferror(stdout)) {
		perror("jumpvpnd verify");
		return EXIT_NO;
	}
	return code;
}
