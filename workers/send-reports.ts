import { takeDueReports } from "../db/analytics-schedule.ts";
import { insertMail } from "../db/mail.ts";
import type { Handle } from "../queues/actor.ts";
import { want } from "../queues/mailbox.ts";
import { sendMail } from "../queues/send-mail.ts";
import type { SendReports } from "../queues/send-reports.ts";

/** In one transaction the period is noted as sent and its mail is written, one for each person; what it says is found out when it is sent. */
export const handle: Handle<SendReports, "db" | "mailbox" | "publicUrl"> = async ({
  deps: { db, mailbox, publicUrl },
}) => {
  const messages = await db.transaction(async (tx) => {
    const wanted = [];
    for (const { userId, every, locale, from, to } of await takeDueReports(tx)) {
      const id = Bun.randomUUIDv7();
      const period = { every, from: from.toISOString(), to: to.toISOString(), until: to.toISOString().slice(0, 10) };
      const params = { userId, base: publicUrl(), ...period };
      await insertMail(tx, { id, kind: "reports", recipient: "", locale, params });
      wanted.push(await want(tx, sendMail, { payload: { mailId: id } }));
    }
    return wanted;
  });
  for (const message of messages) await mailbox.send(sendMail.name, message);
  return { mails: messages.length };
};
