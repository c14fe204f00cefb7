/*
 * The daemon's stderr, which nobody may be reading: no log line waits for it.
 */
#pragma once

/* Log lines go there from now on as long as there is room (log_set_put()). Before the threads. */
void stderr_set_up(void);
/* They wait again. After the threads. */
void stderr_restore(void);
