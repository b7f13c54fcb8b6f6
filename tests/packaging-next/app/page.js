"use client";
import { useEffect, useState } from "react";
import { load } from "tabmind";
import { tasks } from "tabmind/desk";

export default function Page() {
  const [text, setText] = useState("");
  useEffect(() => {
    (async () => {
      const engine = await load("embedded:desk");
      const answer = await engine.chat.completions.create(tasks.ticket.request("The printer on floor 3 is jammed. Ana"));
      setText(answer.choices[0].message.content);
      document.title = `threads: ${engine.info.threads}`;
    })();
  }, []);
  return <p>{text}</p>;
}
