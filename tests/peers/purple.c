/* A messenger on libpurple (Pidgin, Finch) without a screen, for the tests of the peers.
 *
 * purple FOLDER USER@DOMAIN PASSWORD SERVER PORT udp|tcp
 *
 * Standard input: "text USER@DOMAIN WORDS" sends an instant message, "quit" signs off. End of input is quit.
 * Standard output, one line per event: "on", "off", "im FROM WORDS", "failed REASON".
 */
#include <glib.h>
#include <purple.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static GMainLoop *loop;
static PurpleAccount *account;

/* --- libpurple's event loop on glib, as its documentation asks for ----------------------------------------- */

typedef struct {
    PurpleInputFunction function;
    gpointer data;
} Input;

static gboolean input_invoke(GIOChannel *source, GIOCondition condition, gpointer data)
{
    Input *input = data;
    int purple = 0;

    if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
        purple |= PURPLE_INPUT_READ;
    if (condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
        purple |= PURPLE_INPUT_WRITE;
    input->function(input->data, g_io_channel_unix_get_fd(source), purple);
    return TRUE;
}

static guint input_add(gint fd, PurpleInputCondition wanted, PurpleInputFunction function, gpointer data)
{
    Input *input = g_new0(Input, 1);
    GIOCondition condition = 0;
    GIOChannel *channel = g_io_channel_unix_new(fd);
    guint id;

    input->function = function;
    input->data = data;
    if (wanted & PURPLE_INPUT_READ)
        condition |= G_IO_IN | G_IO_HUP | G_IO_ERR;
    if (wanted & PURPLE_INPUT_WRITE)
        condition |= G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL;
    id = g_io_add_watch_full(channel, G_PRIORITY_DEFAULT, condition, input_invoke, input, g_free);
    g_io_channel_unref(channel);
    return id;
}

static PurpleEventLoopUiOps event_loop = {
    g_timeout_add, g_source_remove, input_add, g_source_remove, NULL, g_timeout_add_seconds, NULL, NULL, NULL,
};

/* --- what is told on standard output -------------------------------------------------------------------------- */

static void signed_on(PurpleConnection *connection, gpointer data)
{
    puts("on");
}

static void signed_off(PurpleConnection *connection, gpointer data)
{
    puts("off");
    g_main_loop_quit(loop);
}

static void connection_error(PurpleConnection *connection, PurpleConnectionError error, const char *text, gpointer data)
{
    printf("failed %s\n", text);
}

static void received(PurpleAccount *to, char *sender, char *message, PurpleConversation *conversation, int flags,
                     gpointer data)
{
    char *plain = purple_markup_strip_html(message);

    printf("im %s %s\n", sender, plain);
    g_free(plain);
}

static gboolean command(GIOChannel *source, GIOCondition condition, gpointer data)
{
    char *line = NULL, *words;
    gsize end;

    if (g_io_channel_read_line(source, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL || !strncmp(line, "quit", 4)) {
        g_free(line);
        purple_account_disconnect(account);
        g_main_loop_quit(loop);
        return FALSE;
    }
    line[end] = '\0';
    if (!strncmp(line, "text ", 5) && (words = strchr(line + 5, ' '))) {
        *words++ = '\0';
        serv_send_im(purple_account_get_connection(account), line + 5, words, 0);
    }
    g_free(line);
    return TRUE;
}

int main(int count, char *arguments[])
{
    static int handle;
    GIOChannel *input;

    if (count != 7) {
        fputs("usage: purple FOLDER USER@DOMAIN PASSWORD SERVER PORT udp|tcp\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    purple_util_set_user_dir(arguments[1]);
    purple_debug_set_enabled(FALSE);
    purple_eventloop_set_ui_ops(&event_loop);
    if (!purple_core_init("msilod-peer")) {
        fputs("libpurple did not start\n", stderr);
        return 1;
    }
    purple_set_blist(purple_blist_new());
    purple_prefs_load();

    purple_signal_connect(purple_connections_get_handle(), "signed-on", &handle, PURPLE_CALLBACK(signed_on), NULL);
    purple_signal_connect(purple_connections_get_handle(), "signed-off", &handle, PURPLE_CALLBACK(signed_off), NULL);
    purple_signal_connect(purple_connections_get_handle(), "connection-error", &handle,
                          PURPLE_CALLBACK(connection_error), NULL);
    purple_signal_connect(purple_conversations_get_handle(), "received-im-msg", &handle, PURPLE_CALLBACK(received),
                          NULL);

    account = purple_account_new(arguments[2], "prpl-simple");
    purple_account_set_password(account, arguments[3]);
    purple_account_set_bool(account, "useproxy", TRUE);
    purple_account_set_string(account, "proxy", arguments[4]);
    purple_account_set_int(account, "port", atoi(arguments[5]));
    purple_account_set_bool(account, "udp", !strcmp(arguments[6], "udp"));
    purple_account_set_enabled(account, "msilod-peer", TRUE);
    purple_savedstatus_activate(purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));

    loop = g_main_loop_new(NULL, FALSE);
    input = g_io_channel_unix_new(STDIN_FILENO);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, command, NULL);
    g_main_loop_run(loop);
    purple_core_quit();
    return 0;
}
