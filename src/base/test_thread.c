#include "base/thread.h"

#include "base/test.h"

enum { ITEMS = 10000 };

static void *produce(void *arg)
{
    static int items[ITEMS];

    for (int i = 0; i < ITEMS; i++) {
        items[i] = i;
        queue_push(arg, &items[i], DEADLINE_NONE);
    }
    queue_close(arg);
    return NULL;
}

TEST(a_queue_hands_over_everything_in_order)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(queue) struct queue *queue = queue_new(16);
    struct thread thread = {0};
    int next = 0;

    CHECK_OK(thread_start(&thread, "producer", produce, queue, &err), err);
    for (int *item; (item = queue_pop(queue, DEADLINE_NONE)) != NULL; next++)
        CHECK_INT(*item, next);
    thread_join(&thread);
    CHECK_INT(next, ITEMS);
}

TEST(waits_on_a_queue_end_with_the_deadline)
{
    CLEANUP(queue) struct queue *queue = queue_new(1);
    int item = 0;

    CHECK(queue_pop(queue, deadline_after(10)) == NULL);
    CHECK(queue_push(queue, &item, deadline_after(10)));
    CHECK(!queue_push(queue, &item, deadline_after(10)));
    queue_close(queue);
    CHECK(!queue_push(queue, &item, DEADLINE_NONE));
    CHECK(queue_pop(queue, DEADLINE_NONE) == &item);
    CHECK(queue_pop(queue, DEADLINE_NONE) == NULL);
}
