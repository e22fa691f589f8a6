#include "monitor/line_editor.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONTROL_C = 3,
    CONTROL_U = 21,
    CONTROL_W = 23,
    ESCAPE = 27,
    DELETE = 127,
};

static void echo(struct line_editor *editor, const char *text)
{
    editor->echo(editor->opaque, text, strlen(text));
}

static void erase(struct line_editor *editor, size_t length)
{
    while (editor->length > length) {
        editor->length--;
        echo(editor, "\b \b");
    }
}

static void erase_word(struct line_editor *editor)
{
    size_t length = editor->length;
    while (length > 0 && editor->line[length - 1] == ' ') {
        length--;
    }
    while (length > 0 && editor->line[length - 1] != ' ') {
        length--;
    }
    erase(editor, length);
}

static void remember(struct line_editor *editor)
{
    char **history = editor->history;
    if (editor->length == 0 || (history[0] && strcmp(history[0], editor->line) == 0)) {
        return;
    }
    free(history[LINE_EDITOR_HISTORY - 1]);
    memmove(history + 1, history, sizeof(*history) * (LINE_EDITOR_HISTORY - 1));
    history[0] = strdup(editor->line);
}

/* Up and down. */
static void show(struct line_editor *editor, unsigned number)
{
    if (number > LINE_EDITOR_HISTORY || (number && !editor->history[number - 1])) {
        return;
    }
    erase(editor, 0);
    editor->shown = number;
    if (number) {
        editor->length = strlen(editor->history[number - 1]);
        memcpy(editor->line, editor->history[number - 1], editor->length);
        editor->echo(editor->opaque, editor->line, editor->length);
    }
}

static void finish(struct line_editor *editor)
{
    editor->line[editor->length] = '\0';
    echo(editor, "\r\n");
    remember(editor);
    editor->length = 0;
    editor->shown = 0;
    char line[LINE_EDITOR_BYTES];
    memcpy(line, editor->line, sizeof(line));
    editor->entered(editor->opaque, line);
}

/* ESC [ A and the like. */
static void take_escaped(struct line_editor *editor, uint8_t byte)
{
    if (editor->escape == 1 && (byte == '[' || byte == 'O')) {
        editor->escape = 2;
        return;
    }
    if (editor->escape == 2 && byte == 'A') {
        show(editor, editor->shown + 1);
    } else if (editor->escape == 2 && byte == 'B' && editor->shown > 0) {
        show(editor, editor->shown - 1);
    } else if (editor->escape == 2 && byte < '@') {
        return; /* a parameter */
    }
    editor->escape = 0;
}

static void take(struct line_editor *editor, uint8_t byte)
{
    bool after_return = editor->after_return;
    editor->after_return = byte == '\r';
    switch (byte) {
    case '\n':
        if (!after_return) {
            finish(editor);
        }
        return;
    case '\r':
        finish(editor);
        return;
    case '\b':
    case DELETE:
        erase(editor, editor->length ? editor->length - 1 : 0);
        return;
    case CONTROL_U:
    case CONTROL_C:
        erase(editor, 0);
        return;
    case CONTROL_W:
        erase_word(editor);
        return;
    case ESCAPE:
        editor->escape = 1;
        return;
    }
    if (byte >= ' ' && editor->length < LINE_EDITOR_BYTES - 1) {
        editor->line[editor->length++] = (char)byte;
        editor->echo(editor->opaque, (const char *)&byte, 1);
    }
}

void line_editor_feed(struct line_editor *editor, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (editor->escape) {
            take_escaped(editor, bytes[i]);
        } else {
            take(editor, bytes[i]);
        }
    }
}

void line_editor_free(struct line_editor *editor)
{
    for (unsigned i = 0; i < LINE_EDITOR_HISTORY; i++) {
        free(editor->history[i]);
    }
}
