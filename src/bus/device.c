#include "bus/device.h"

#include <assert.h>
#include <stdlib.h>

void *device_allocate(const struct device_class *class, struct log *log)
{
    struct device *device = calloc(1, class->size);
    assert(device);
    device->class = class;
    device->log = log;
    return device;
}

void device_destroy(struct device *device)
{
    if (device && device->class->destroy) {
        device->class->destroy(device);
    }
    free(device);
}

void device_save(const struct device *device, struct state_buffer *buffer)
{
    const struct device_class *class = device->class;
    state_save(buffer, class->fields, class->version, device);
    if (class->save_more) {
        class->save_more(device, buffer);
    }
}

bool device_load_at_once(struct device *device, struct state_buffer *buffer,
                         struct error *error)
{
    const struct device_class *class = device->class;
    return state_load(buffer, class->fields, class->version, device, class->name,
                      error) &&
           (!class->load_more || class->load_more(device, buffer, error)) &&
           (!class->loaded || class->loaded(device, error));
}

bool device_load(struct device *device, struct state_buffer *buffer,
                 struct error *error)
{
    struct state_buffer before = {.memory_apart = buffer->memory_apart};
    device_save(device, &before);
    bool loaded = device_load_at_once(device, buffer, error);
    if (!loaded) {
        struct error ignored;
        bool restored = device_load_at_once(device, &before, &ignored);
        assert(restored);
    }
    state_buffer_free(&before);
    return loaded;
}
