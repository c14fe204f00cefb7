/*
 * A bounded ring of fixed-size elements between one producer thread and one consumer thread.
 *
 * Never blocks and never grows: a push to a full ring fails, and the caller counts the loss. Waking the
 * other side is the caller's business (uv_async_send after a push).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/* `slots` is a power of two. NULL without memory. */
struct ring *ring_new(size_t slots, size_t element_size);
void ring_free(struct ring *r);

/* Producer: copies one element in; false when full. */
bool ring_push(struct ring *r, const void *element);
/* Producer, without the copy: a slot to fill in place, or NULL when full; then ring_publish(). */
void *ring_reserve(struct ring *r);
void ring_publish(struct ring *r);

/* Consumer: copies one element out; false when empty. */
bool ring_pop(struct ring *r, void *element);
/* Consumer, without the copy: the oldest element or NULL; then ring_release(). */
void *ring_peek(struct ring *r);
void ring_release(struct ring *r);
