/*
 * sim --seeds N | A..B     seeds 1..N or A..B, over --jobs processes
 * sim --seed N             one, again, with a trace
 * sim --seeds N --digest   one number over all that the engines of these seeds handed out
 *
 * Last line: "N passed, M failed", a seed each, or the digest; exit status 1 when one has failed, 2 for wrong usage.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/script.h"

#define JOBS_MAX 64

struct options {
	uint64_t first, last;
	bool one, digest;
	unsigned int jobs, twice;
	const char *trace;
	struct script_options script;
};

struct outcome {
	uint64_t seed;
	bool good;
	struct script_result r;
};

static void usage(void)
{
	fputs("usage: sim --seeds N|A..B [--jobs J] [--seconds S] [--twice N] [--actor none|some|all] [--digest]\n"
	      "       sim --seed N [--trace FILE] [--datagrams] [--seconds S] [--actor none|some|all]\n"
	      "  --seconds S   of trouble, before the calm end (300)\n"
	      "  --twice N     every Nth seed is run again, and must do the same (16; 0: none)\n"
	      "  --digest      one number, in place of the sums: the same number, the same behaviour in all these seeds\n"
	      "  --trace FILE  what happens goes there, else to the standard output\n"
	      "  --datagrams   every datagram, too\n"
	      "  --actor W     somebody without keys sits on some or all paths, in no seed, in each eighth, or in all (some)\n",
	      stderr);
	exit(2);
}

static uint64_t number(const char *text, char **rest)
{
	char *end;
	const uint64_t v = strtoull(text, &end, 10);

	if (end == text || (!rest && *end))
		usage();
	if (rest)
		*rest = end;
	return v;
}

static enum script_actor actor(const char *text)
{
	static const char *const names[] = { "none", "some", "all" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum script_actor)i;
	usage();
	return SCRIPT_ACTOR_NONE;
}

static struct options options(int argc, char **argv)
{
	static const struct option list[] = {
		{ "seeds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'o' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "seconds", required_argument, NULL, 't' },
		{ "twice", required_argument, NULL, '2' },
		{ "trace", required_argument, NULL, 'T' },
		{ "datagrams", no_argument, NULL, 'd' },
		{ "actor", required_argument, NULL, 'a' },
		{ "digest", no_argument, NULL, 'D' },
		{ 0 },
	};
	struct options o = { .jobs = 2,
			     .twice = 16,
			     .script = { .seconds = SCRIPT_SECONDS, .actor = SCRIPT_ACTOR_SOME } };
	char *rest;
	int c;

	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (c) {
		case 's':
			o.first = 1;
			o.last = number(optarg, &rest);
			if (strncmp(rest, "..", 2) == 0) {
				o.first = o.last;
				o.last = number(rest + 2, NULL);
			} else if (*rest) {
				usage();
			}
			break;
		case 'o':
			o.one = true;
			o.first = o.last = number(optarg, NULL);
			break;
		case 'j':
			o.jobs = (unsigned int)number(optarg, NULL);
			break;
		case 't':
			o.script.seconds = (unsigned int)number(optarg, NULL);
			break;
		case '2':
			o.twice = (unsigned int)number(optarg, NULL);
			break;
		case 'T':
			o.trace = optarg;
			break;
		case 'd':
			o.script.datagrams = true;
			break;
		case 'a':
			o.script.actor = actor(optarg);
			break;
		case 'D':
			o.digest = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || o.last < o.first || o.last == 0 || o.jobs < 1 || o.jobs > JOBS_MAX ||
	    o.script.seconds < 1)
		usage();
	return o;
}

static void tell(const struct outcome *o)
{
	printf("  FAIL  seed %llu: %s at %.6f s: %s\n", (unsigned long long)o->seed, o->r.violation.rule,
	       (double)o->r.violation.at.us / 1e6, o->r.violation.text);
	fflush(stdout);
}

/* I9: the same seed, the same outputs. */
static void run_again(const struct options *opt, struct outcome *o)
{
	struct script_options quiet = opt->script;
	struct script_result again;

	if (opt->twice == 0 || o->seed % opt->twice || !o->good)
		return;
	quiet.trace = NULL;
	script_run(&quiet, o->seed, &again);
	if (again.digest == o->r.digest)
		return;
	o->good = false;
	o->r.violation = (struct sim_violation){ .is_one = true, .rule = "I9" };
	snprintf(o->r.violation.text, sizeof(o->r.violation.text),
		 "run twice, it hands out different things");
}

static int run_one(const struct options *opt)
{
	struct outcome o = { .seed = opt->first };
	struct script_options script = opt->script;

	script.trace = opt->trace ? fopen(opt->trace, "w") : stdout;
	if (!script.trace) {
		perror(opt->trace);
		return 2;
	}
	o.good = script_run(&script, o.seed, &o.r);
	if (o.good && opt->twice)
		run_again(&(struct options){ .twice = 1, .script = script }, &o);
	fflush(script.trace);
	if (!o.good)
		tell(&o);
	printf("seed %llu: %.1f s, %u troubles, %u attacks, %u sessions, %u switches, %u denials, %u inner packets, calm "
	       "after %.1f s, digest %016llx\n",
	       (unsigned long long)o.seed, o.r.seconds, o.r.troubles, o.r.attacks, o.r.sessions, o.r.switches,
	       o.r.denials, o.r.got, o.r.calm, (unsigned long long)o.r.digest);
	return o.good ? 0 : 1;
}

/* --- many, over several processes --- */

struct child {
	pid_t pid;
	int fd;
};

/* What each child is at, in memory they share: a child that dies has failed there. */
static uint64_t *running;

static struct child child_start(const struct options *opt, unsigned int k, uint64_t from)
{
	struct child c = { .pid = -1 };
	int fds[2];

	fflush(stdout);
	if (pipe(fds) != 0 || (c.pid = fork()) < 0) {
		perror("sim");
		exit(2);
	}
	if (c.pid > 0) {
		close(fds[1]);
		c.fd = fds[0];
		return c;
	}
	for (uint64_t seed = from; seed <= opt->last; seed += opt->jobs) {
		struct outcome o;

		memset(&o, 0, sizeof(o));
		o.seed = running[k] = seed;
		o.good = script_run(&opt->script, seed, &o.r);
		run_again(opt, &o);
		if (write(fds[1], &o, sizeof(o)) != (ssize_t)sizeof(o))
			_exit(2);
	}
	running[k] = 0;
	_exit(0);
}

struct sum {
	uint64_t passed, failed, troubles, attacks, switches, sessions, got, digest;
	double seconds, calm;
};

/* Of one seed: added up over seeds, in whatever order they end, no two that change place or cancel out go unseen. */
static uint64_t digest_of(const struct outcome *o)
{
	uint64_t v = o->r.digest ^ o->seed * UINT64_C(0x9e3779b97f4a7c15);

	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

static void add(struct sum *sum, const struct outcome *o, const struct options *opt)
{
	*(o->good ? &sum->passed : &sum->failed) += 1;
	sum->seconds += o->r.seconds;
	sum->troubles += o->r.troubles;
	sum->attacks += o->r.attacks;
	sum->switches += o->r.switches;
	sum->sessions += o->r.sessions;
	sum->got += o->r.got;
	sum->digest += digest_of(o);
	if (o->r.calm > sum->calm)
		sum->calm = o->r.calm;
	if (!o->good)
		tell(o);
	if (isatty(STDERR_FILENO) && (sum->passed + sum->failed) % 10 == 0)
		fprintf(stderr, "\r  %llu of %llu seeds, %.0f simulated hours ",
			(unsigned long long)(sum->passed + sum->failed),
			(unsigned long long)(opt->last - opt->first + 1), sum->seconds / 3600);
}

/* Reads what one child has to tell. False: it is gone. */
static bool child_tells(struct child *c, struct sum *sum, const struct options *opt)
{
	struct outcome o;
	size_t have = 0;

	while (have < sizeof(o)) {
		const ssize_t n = read(c->fd, (uint8_t *)&o + have, sizeof(o) - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	add(sum, &o, opt);
	return true;
}

static void child_gone(struct child *c, unsigned int k, struct sum *sum, const struct options *opt)
{
	struct outcome o = { .seed = running[k] };
	int status;

	close(c->fd);
	waitpid(c->pid, &status, 0);
	c->pid = 0;
	if (running[k] == 0)
		return;
	o.r.violation.rule = "crash";
	snprintf(o.r.violation.text, sizeof(o.r.violation.text), "ended by %s %d",
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	add(sum, &o, opt);
	if (o.seed + opt->jobs <= opt->last)
		*c = child_start(opt, k, o.seed + opt->jobs);
}

static int run_many(const struct options *opt)
{
	struct child child[JOBS_MAX];
	struct sum sum = { 0 };
	unsigned int alive = 0;

	running = mmap(NULL, sizeof(*running) * JOBS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (running == MAP_FAILED)
		return 2;
	for (unsigned int k = 0; k < opt->jobs; k++)
		child[k] = child_start(opt, k, opt->first + k);
	do {
		alive = 0;
		for (unsigned int k = 0; k < opt->jobs; k++) {
			if (child[k].pid > 0 && !child_tells(&child[k], &sum, opt))
				child_gone(&child[k], k, &sum, opt);
			alive += child[k].pid > 0;
		}
	} while (alive > 0);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (opt->digest) {
		printf("%016llx\n", (unsigned long long)sum.digest);
		return sum.failed ? 1 : 0;
	}
	printf("  %.1f simulated hours, %llu troubles, %llu attacks, %llu sessions, %llu switches, %llu inner packets, longest "
	       "calm %.1f s\n",
	       sum.seconds / 3600, (unsigned long long)sum.troubles, (unsigned long long)sum.attacks,
	       (unsigned long long)sum.sessions, (unsigned long long)sum.switches,
	       (unsigned long long)sum.got, sum.calm);
	printf("%llu passed, %llu failed\n", (unsigned long long)sum.passed, (unsigned long long)sum.failed);
	return sum.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	const struct options opt = options(argc, argv);

	return opt.one ? run_one(&opt) : run_many(&opt);
}
