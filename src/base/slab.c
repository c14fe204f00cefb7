#include "base/slab.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536
#define CHUNK_OBJECTS 64

/* A sanitizer sees a chunk as one object: it is told what of it is out. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define hide(at, len) ASAN_POISON_MEMORY_REGION(at, len)
#define show(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#else
#define hide(at, len) ((void)0)
#define show(at, len) ((void)0)
#endif

void slab_init(struct slab *s, size_t size, size_t limit)
{
	const size_t step = sizeof(void *);

	*s = (struct slab){ .size = (size + step - 1) / step * step, .limit = limit };
}

static size_t per_chunk(const struct slab *s)
{
	const size_t n = CHUNK_BYTES / s->size;

	return n < 1 ? 1 : n > CHUNK_OBJECTS ? CHUNK_OBJECTS : n;
}

void slab_free(struct slab *s)
{
	for (size_t i = 0; i < s->chunks; i++) {
		show(s->chunk[i], per_chunk(s) * s->size);
		free(s->chunk[i]);
	}
	free(s->chunk);
	s->chunk = NULL;
	s->spare = NULL;
	s->chunks = s->room = s->fresh = s->used = 0;
}

static char *chunk_add(struct slab *s)
{
	char *chunk;

	if (s->chunks == s->room) {
		const size_t room = s->room ? s->room * 2 : 4;
		char **more = realloc(s->chunk, room * sizeof(*more));

		if (!more)
			return NULL;
		s->chunk = more;
		s->room = room;
	}
	chunk = malloc(per_chunk(s) * s->size);
	if (!chunk)
		return NULL;
	hide(chunk, per_chunk(s) * s->size);
	s->chunk[s->chunks++] = chunk;
	s->fresh = per_chunk(s);
	return chunk;
}

static void *fresh(struct slab *s)
{
	if (s->fresh == 0 && !chunk_add(s))
		return NULL;
	return s->chunk[s->chunks - 1] + --s->fresh * s->size;
}

void *slab_get(struct slab *s)
{
	void *object = NULL;

	if (s->used >= s->limit)
		return NULL;
	if (s->spare) {
		object = s->spare;
		show(object, s->size);
		memcpy(&s->spare, object, sizeof(s->spare));
	} else {
		object = fresh(s);
		if (!object)
			return NULL;
		show(object, s->size);
	}
	s->used++;
	return memset(object, 0, s->size);
}

void slab_put(struct slab *s, void *object)
{
	volatile char *byte = object;

	for (size_t i = 0; i < s->size; i++)
		byte[i] = 0;
	memcpy(object, &s->spare, sizeof(s->spare));
	s->spare = object;
	s->used--;
	hide(object, s->size);
}

size_t slab_bytes(const struct slab *s)
{
	return s->chunks * per_chunk(s) * s->size;
}
