#include "ctl/conn.h"

#include <stdlib.h>
#include <string.h>

static void maybe_gone(struct conn_set *set)
{
	if (set->stopping && set->closing == 0)
		set->gone(set);
}

/* --- the end of one --- */

static void handle_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct conn_set *set = c->set;

	if (--c->handles == 0) {
		if (set->kind->freed)
			set->kind->freed(c);
		free(c);
	}
	set->closing--;
	maybe_gone(set);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_remove(&c->node);
	c->set->n--;
	c->set->kind->closing(c);
	c->set->closing += 2;
	uv_close(&c->handle.handle, handle_closed);
	uv_close((uv_handle_t *)&c->timer, handle_closed);
}

static void bound_ended(uv_timer_t *t)
{
	conn_close(t->data);
}

void conn_bound(struct conn *c, uint64_t ms)
{
	if (ms > 0)
		uv_timer_start(&c->timer, bound_ended, ms, 0);
	else
		uv_timer_stop(&c->timer);
}

/* --- reading --- */

static void room_for(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;
	const size_t room = c->set->kind->room;

	(void)suggested;
	if (c->asked) /* only to notice the end */
		*buf = uv_buf_init(c->in, (unsigned int)room);
	else
		*buf = uv_buf_init(c->in + c->len, (unsigned int)(room - c->len));
}

static void has_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	(void)buf;
	if (n < 0) {
		c->set->kind->ended(c, n == UV_EOF);
		return;
	}
	if (c->asked)
		return;
	c->len += (size_t)n;
	c->set->kind->read(c, (size_t)n);
}

/* --- one more --- */

static int init_handle(const struct conn_set *set, union conn_handle *h)
{
	uv_loop_t *loop = set->listener.handle.loop;

	return set->listener.handle.type == UV_TCP ? uv_tcp_init(loop, &h->tcp)
						   : uv_pipe_init(loop, &h->pipe, 0);
}

static void take(uv_stream_t *listener, int status);

static void refused_closed(uv_handle_t *h)
{
	struct conn_set *set = h->data;
	const bool again = set->waits;

	set->refusing = set->waits = false;
	set->closing--;
	if (again && !set->stopping)
		take(&set->listener.stream, 0);
	maybe_gone(set);
}

static void refuse(struct conn_set *set)
{
	set->waits = set->refusing;
	if (set->refusing)
		return;
	set->refusing = true;
	set->closing++;
	init_handle(set, &set->refused);
	set->refused.handle.data = set;
	(void)uv_accept(&set->listener.stream, &set->refused.stream);
	uv_close(&set->refused.handle, refused_closed);
}

static void make_room(const struct conn_set *set)
{
	struct conn *c = set->n < set->kind->most ? NULL : set->kind->dispensable(set);

	if (c)
		conn_close(c);
}

static void take(uv_stream_t *listener, int status)
{
	struct conn_set *set = listener->data;
	const struct conn_kind *kind = set->kind;
	struct conn *c;

	if (status < 0)
		return;
	c = malloc(kind->size + kind->room + 1);
	if (!c) {
		refuse(set);
		return;
	}
	memset(c, 0, kind->size);
	c->set = set;
	c->in = (char *)c + kind->size;
	c->handles = 2;
	init_handle(set, &c->handle);
	uv_timer_init(listener->loop, &c->timer);
	c->handle.handle.data = c;
	c->timer.data = c;
	make_room(set);
	list_append(&set->connections, &c->node);
	set->n++;
	conn_bound(c, kind->idle_ms);
	if (uv_accept(listener, &c->handle.stream) < 0)
		conn_close(c);
	else if (set->n > kind->most)
		kind->too_many(c);
	else if (uv_read_start(&c->handle.stream, room_for, has_read) < 0)
		conn_close(c);
}

/* --- all of them --- */

void conn_init(struct conn_set *set, const struct conn_kind *kind, void (*gone)(struct conn_set *set))
{
	list_init(&set->connections);
	set->kind = kind;
	set->gone = gone;
}

int conn_listen(struct conn_set *set)
{
	set->listener.handle.data = set;
	return uv_listen(&set->listener.stream, (int)set->kind->most, take);
}

static void listener_closed(uv_handle_t *h)
{
	struct conn_set *set = h->data;

	set->closing--;
	maybe_gone(set);
}

void conn_stop(struct conn_set *set)
{
	struct list *pos, *tmp;

	set->stopping = true;
	set->closing++;
	set->listener.handle.data = set;
	uv_close(&set->listener.handle, listener_closed);
	list_for_each_safe(pos, tmp, &set->connections)
		conn_close(container_of(pos, struct conn, node));
}
