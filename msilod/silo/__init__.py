"""silo: keeping a MESSAGE and trying again (RFC 3428, SER's msilo module).

Here: who the recipient is and what of a request is kept (`acceptance`), what goes out on delivery
(`delivery`), what each status of a device means (`verdicts`), one recipient's delivery run (`run`, in the
words of `steps` and `contact`), what is remembered between runs (`memory`), which runs go now (`schedule`),
what an online attempt says of the queue (`online`), what is never kept (`content`, `cpim`), and what senders are
told: notices (`notice`) and receipts (`imdn`). What old phones want is in `old_phones`.

Never here: sockets, SQL, clocks, randomness, tasks. Times are wall seconds (UTC) in the whole room, because
rows outlive the process; the daemon carries out what this room decides.

What a crash can do: between the device's 200 and the commit of the row's end the message is sent once more,
under the same Call-ID, CSeq and From tag, so that the phone can drop the copy. Before the commit of the row
the sender got no 202 and sends again.
"""
