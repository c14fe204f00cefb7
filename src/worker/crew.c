#include "worker/crew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/udp.h"
#include "worker/affinity.h"
#include "worker/listen.h"
#include "worker/pool.h"
#include "worker/worker.h"

uint32_t crew_size(const struct config *c)
{
	const uint32_t n = c->workers > 0 ? c->workers : affinity_count();

	if (c->role == ROLE_CLIENT)
		return 1;
	return n > DAEMON_WORKERS_MAX ? DAEMON_WORKERS_MAX : n;
}

int crew_make(struct daemon *d, void (*wake)(void *control))
{
	const size_t n = d->config->role == ROLE_SERVER ? d->config->nlisten : 0;

	if (d->config->udp_offload)
		d->udp_offload = udp_offload();
	d->workers = calloc(d->nworkers, sizeof(*d->workers));
	d->beats_seen = calloc(d->nworkers, sizeof(*d->beats_seen));
	if (!d->workers || !d->beats_seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->nworkers; i++) {
		struct worker *w = &d->workers[i];

		w->wake_control = wake;
		w->control = d;
		w->siblings = d->workers;
		w->tunnel = d->tunnel_name;
		w->machine = d->machine_id;
		w->cookie_seed = d->cookie_seed;
		w->index = i;
		w->workers = d->nworkers;
		w->descriptors = d->descriptors;
		w->config = d->config;
		w->tun_fd = d->tun_fds[i];
		w->tun_index = tunnel_index(d->tunnel);
		w->tun_header = d->tun_offload.header;
		w->merge_kinds = (struct merge_kinds){ .tcp = w->tun_header, .udp = d->tun_offload.uso };
		w->runs = d->udp_offload.gso;
		w->nlisteners = n;
		w->listeners = calloc(n + 1, sizeof(*w->listeners));
		w->hellos = calloc(n + 1, sizeof(*w->hellos));
		if (!w->listeners || !w->hellos)
			return -ENOMEM;
		for (size_t k = 0; k < n; k++)
			w->listeners[k].fd = w->hellos[k].fd = -1;
	}
	return listen_open(d, n);
}

/* With a worker for each CPU, each has its own; one that may run anywhere is best left to the kernel. */
static void choose_cpus(struct daemon *d)
{
	const bool each = d->config->workers == 0 && d->config->cpu_affinity && d->nworkers > 1;
	int cpus[DAEMON_WORKERS_MAX];

	affinity_list(cpus, d->nworkers);
	for (uint32_t i = 0; i < d->nworkers; i++)
		d->workers[i].cpu = each ? cpus[i] : AFFINITY_ANY;
}

/* Threads for key agreements: on any CPU, and as others run. A client has few of them. */
static int make_pool(struct daemon *d)
{
	const uint32_t n = d->config->role == ROLE_CLIENT ? 1 : affinity_count();
	int rc = pool_new(&d->pool, n);

	if (rc < 0)
		log_error("no thread for key agreements can be made: %s", strerror(-rc));
	for (uint32_t i = 0; i < d->nworkers; i++)
		d->workers[i].pool = d->pool;
	return rc;
}

/* The only threads that run ahead of other programs: made while this one does, and before any other. */
int crew_create(struct daemon *d)
{
	int rc = 0;

	choose_cpus(d);
	for (uint32_t i = 0; rc == 0 && i < d->nworkers; i++) {
		rc = worker_init(&d->workers[i]);
		if (rc < 0)
			log_error("worker %u: %s", i, strerror(-rc));
	}
	for (uint32_t i = 0; rc == 0 && i < d->nworkers; i++) {
		rc = worker_create(&d->workers[i]);
		if (rc < 0)
			log_error("worker %u: cannot make its thread: %s", i, strerror(-rc));
	}
	affinity_as_others();
	return rc;
}

static void nothing(uv_work_t *req)
{
	(void)req;
}

int crew_start(struct daemon *d)
{
	int rc = make_pool(d);

	/* libuv makes its threads with the first piece of work, and ends the program when it cannot: now, not in a reload. */
	if (rc == 0)
		rc = uv_queue_work(&d->loop, &d->first, nothing, NULL);
	for (uint32_t i = 0; rc == 0 && i < d->nworkers; i++)
		worker_start(&d->workers[i]);
	return rc;
}

/*
 * Joined first, all of them: until then they may speak to each other. Those of a start that failed do not
 * know yet.
 */
void crew_join(struct daemon *d)
{
	const struct message m = { .kind = MESSAGE_STOP };

	for (uint32_t i = 0; !d->quitting && i < d->nworkers; i++)
		if (d->workers[i].running) {
			worker_post(&d->workers[i], &m);
			worker_start(&d->workers[i]); /* perhaps it has not been */
		}
	for (uint32_t i = 0; i < d->nworkers; i++)
		if (d->workers[i].running)
			worker_join(&d->workers[i]);
	pool_free(d->pool);
	d->pool = NULL;
}

bool crew_free(struct daemon *d)
{
	bool ended = true;

	for (uint32_t i = 0; i < d->nworkers; i++) {
		struct worker *w = &d->workers[i];

		ended = worker_fini(w) && ended;
		for (size_t k = 0; w->listeners && w->hellos && k < w->nlisteners; k++) {
			if (w->listeners[k].fd >= 0)
				close(w->listeners[k].fd);
			if (w->hellos[k].fd >= 0)
				close(w->hellos[k].fd);
		}
		free(w->listeners);
		free(w->hellos);
	}
	if (ended)
		free(d->workers);
	free(d->beats_seen);
	return ended;
}
