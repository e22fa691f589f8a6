/* What became of faults, for people and as JSON. */
#include "faults/faults_internal.h"

#include "cpu/core/instruction.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

void fault_place_now(struct faults *faults, struct fault_place *place)
{
    const struct cpu *cpu = machine_cpu(faults->machine);
    *place = (struct fault_place){
        .known = true,
        .ns = clock_now_ns(machine_clock(faults->machine)),
        .instructions = cpu_retired(cpu),
        .eip = cpu->block_start ? cpu->current->eip : cpu->eip,
    };
    place->linear = cpu->segments[SEGMENT_CS].base + place->eip;
    symbols_describe(&faults->symbols, place->linear, place->symbol,
                     sizeof(place->symbol));
}

static const char *state_name(enum fault_state state)
{
    static const char *const names[] = {
        [FAULT_WAITING] = "waiting",
        [FAULT_PRESENT] = "present",
        [FAULT_OVER] = "over",
        [FAULT_REFUSED] = "refused",
    };
    return names[state];
}

static const char *activation_name(enum fault_activation activation)
{
    static const char *const names[] = {
        [FAULT_NOT_ACTIVATED] = "no",
        [FAULT_ACTIVATED] = "yes",
        [FAULT_OVERWRITTEN] = "overwritten",
        [FAULT_ACTIVATION_UNKNOWN] = "unknown",
    };
    return names[activation];
}

static const char *vector_name(int vector, char *text, size_t bytes)
{
    static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
                                        "#NM", "#DF", "9",   "#TS", "#NP", "#SS", "#GP",
                                        "#PF", "15",  "#MF", "#AC", "#MC", "#XM"};
    if (vector == FAULT_TRIPLE_FAULT) {
        return "triple fault";
    }
    if ((size_t)vector < ARRAY_LENGTH(names)) {
        return names[vector];
    }
    snprintf(text, bytes, "%d", vector);
    return text;
}

static void append(char **at, char *end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char **at, char *end, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(*at, (size_t)(end - *at), format, arguments);
    va_end(arguments);
    *at += length < end - *at ? length : end - *at - 1;
}

enum { SOURCE_BYTES = 96 };

static void append_place(const struct fault *fault, char **at, char *end,
                         const struct fault_place *place)
{
    char source[SOURCE_BYTES];
    symbols_describe_source(&fault->owner->symbols, place->linear, source,
                            sizeof(source));
    append(at, end, " at instruction %" PRIu64 ", %" PRIu64 " ns, EIP %08x",
           place->instructions, place->ns, place->eip);
    if (place->linear != place->eip) {
        append(at, end, " (linear %08x)", place->linear);
    }
    if (*place->symbol) {
        append(at, end, " (%s%s%s)", place->symbol, *source ? ", " : "", source);
    }
}

static void append_injection(const struct fault *fault, char **at, char *end)
{
    const struct fault_report *report = &fault->report;
    if (!report->injections) {
        append(at, end, "not injected: %s",
               report->state == FAULT_WAITING ? "its trigger has not come"
                                              : report->reason);
        return;
    }
    append(at, end, "injected");
    if (report->injections > 1) {
        append(at, end, " %" PRIu64 " times, first", report->injections);
    }
    append_place(fault, at, end, &report->injected);
    if (*report->reason) {
        append(at, end, " (%s)", report->reason);
    }
    append(at, end, "; activated: %s", activation_name(report->activation));
    if (report->activation == FAULT_ACTIVATED) {
        append_place(fault, at, end, &report->activated);
        append(at, end, ", %" PRIu64 " use%s", report->uses,
               report->uses == 1 ? "" : "s");
    }
    if (report->detected_vector != FAULT_NO_VECTOR) {
        char text[16];
        append(at, end, "; exception after that: %s",
               vector_name(report->detected_vector, text, sizeof(text)));
        append_place(fault, at, end, &report->detected);
    }
}

void fault_describe(const struct fault *fault, char *text, size_t bytes)
{
    const struct fault_spec *spec = &fault->spec;
    char when[FAULT_TEXT_BYTES + 32];
    char *at = text, *end = text + bytes;
    fault_trigger_describe(&spec->when, when, sizeof(when));
    append(&at, end, "fault %s (%s %s%s%s, %s, %s): ", spec->id,
           fault_target_name(spec->target), *spec->name ? spec->name : "",
           *spec->name ? " " : "", fault_model_name(spec->model),
           fault_duration_name(spec->duration), when);
    append_injection(fault, &at, end);
}

static json_t *place_object(const struct fault *fault, const struct fault_place *place)
{
    char source[SOURCE_BYTES];
    if (!place->known) {
        return json_null();
    }
    json_t *object =
        json_pack("{s:I,s:I,s:I,s:I}", "instructions", (json_int_t)place->instructions,
                  "ns", (json_int_t)place->ns, "eip", (json_int_t)place->eip, "linear",
                  (json_int_t)place->linear);
    if (*place->symbol) {
        json_object_set_new(object, "symbol", json_string(place->symbol));
    }
    symbols_describe_source(&fault->owner->symbols, place->linear, source,
                            sizeof(source));
    if (*source) {
        json_object_set_new(object, "source", json_string(source));
    }
    return object;
}

static json_t *detection_object(const struct fault *fault)
{
    const struct fault_report *report = &fault->report;
    char text[16];
    if (report->detected_vector == FAULT_NO_VECTOR) {
        return json_null();
    }
    json_t *object = place_object(fault, &report->detected);
    json_object_set_new(
        object, "exception",
        json_string(vector_name(report->detected_vector, text, sizeof(text))));
    return object;
}

void fault_write_json(const struct fault *fault, FILE *stream)
{
    const struct fault_spec *spec = &fault->spec;
    const struct fault_report *report = &fault->report;
    char when[FAULT_TEXT_BYTES + 32];
    fault_trigger_describe(&spec->when, when, sizeof(when));
    json_t *object = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:o,s:s,s:I,s:o,s:o}", "id", spec->id,
        "target", fault_target_name(spec->target), "model",
        fault_model_name(spec->model), "duration", fault_duration_name(spec->duration),
        "when", when, "state", state_name(report->state), "injections",
        (json_int_t)report->injections, "reason", report->reason, "injected",
        place_object(fault, &report->injected), "activation",
        activation_name(report->activation), "uses", (json_int_t)report->uses,
        "activated", place_object(fault, &report->activated), "detected",
        detection_object(fault));
    json_dumpf(object, stream, JSON_COMPACT);
    json_decref(object);
}

void faults_write_reports(struct faults *faults)
{
    for (const struct fault *f = faults->first; f; f = f->next) {
        if (faults->log) {
            fault_write_json(f, faults->log);
            fputc('\n', faults->log);
        } else {
            char text[1024];
            fault_describe(f, text, sizeof(text));
            fprintf(stderr, "faumachine: %s\n", text);
        }
    }
    if (faults->log) {
        fflush(faults->log);
    }
}
