#include "load/report.h"

struct process process_read(int pid)
{
	const double tick = (double)sysconf(_SC_CLK_TCK);
	struct process p = { 0 };
	char path[64], text[1024], *at;
	unsigned long user, system;
	size_t len;
	long pages;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return p;
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = 0;
	at = strrchr(text, ')');
	if (!at ||
	    sscanf(at + 2,
		   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
		   &user, &system, &pages) != 3)
		return p;
	p.user_s = (double)user / tick;
	p.system_s = (double)system / tick;
	p.rss_kib = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	return p;
}

static const char *const stat_name[] = {
#define X(name) #name,
	STAT_LIST(X)
#undef X
};

static void print_times(const char *name, const struct times *t)
{
	printf(",\"%s\":{\"n\":%llu", name, (unsigned long long)t->n);
	if (t->n)
		printf(",\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f", (double)times_at(t, 0.5) / 1e3,
		       (double)times_at(t, 0.99) / 1e3, (double)t->most / 1e3);
	putchar('}');
}

static void print_curve(const struct curve *c)
{
	printf(",\"curve\":{\"step_ms\":%llu,\"attached\":[", (unsigned long long)(c->step_us / 1000));
	for (uint32_t i = 0; i < c->n; i++)
		printf("%s%u", i ? "," : "", c->value[i]);
	printf("]}");
}

static double machine_load(void)
{
	double one = 0;

	return getloadavg(&one, 1) == 1 ? one : -1;
}

void report_print(const struct phase_report *r)
{
	const struct load *l = r->load;
	const double seconds = (double)(l->now_us - l->mark_us) / 1e6;
	const double last =
		l->last_attached_us > l->mark_us ? (double)(l->last_attached_us - l->mark_us) / 1e6 : 0;
	const double user = r->server.user_s - r->server_before.user_s;
	const double system = r->server.system_s - r->server_before.system_s;
	const double own =
		r->self.user_s + r->self.system_s - r->self_before.user_s - r->self_before.system_s;

	printf("{\"phase\":\"%s\",\"clients\":%u,\"is_attached\":%u,\"timed_out\":%s,\"rude\":%s,\"seconds\":%.3f,"
	       "\"last_attached_s\":%.3f,\"server_user_s\":%.2f,\"server_system_s\":%.2f,\"server_rss_kib\":%llu,"
	       "\"generator_cpu_s\":%.2f,\"load1\":%.2f",
	       r->name, l->started, l->attached, r->timed_out ? "true" : "false", l->rude ? "true" : "false",
	       seconds, last, user, system, (unsigned long long)r->server.rss_kib, own, machine_load());
	for (unsigned int i = 0; i < STATS; i++)
		printf(",\"%s\":%llu", stat_name[i], (unsigned long long)l->stat.n[i]);
	print_times("attach_ms", &l->stat.attach);
	print_times("ping_ms", &l->stat.ping);
	print_times("data_ms", &l->stat.data);
	print_curve(&l->stat.curve);
	printf("}\n");
	fflush(stdout);
	fprintf(stderr,
		"%-12s %8u of %8u attached %8.2f s, the last after %7.2f s; server %7.2f + %6.2f s CPU, %7.1f MiB; "
		"clients %7.2f s CPU; load %.1f%s\n",
		r->name, l->attached, l->started, seconds, last, user, system,
		(double)r->server.rss_kib / 1024, own, machine_load(),
		r->timed_out ? "; WAITED IN VAIN" : "");
}
