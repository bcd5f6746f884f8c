// The console: sends what is said, then follows its turn by server-sent events.
"use strict";

const byId = (id) => document.getElementById(id);
const conversation = { id: "", following: null };

byId("say").addEventListener("submit", (event) => {
  event.preventDefault();
  say().catch((error) => complain(error.message));
});
byId("restart").addEventListener("click", () => {
  conversation.following?.abort();
  conversation.id = "";
  byId("conversation").replaceChildren();
  byId("stages").replaceChildren();
  byId("turn-caption").textContent = "No turn yet";
  byId("text").focus();
});

async function say() {
  complain("");
  const text = byId("text").value.trim();
  const recording = byId("recording").files[0];
  if (!text && !recording) throw new Error("Type a sentence or choose a recording first.");
  const answer = await (text ? sendText(text) : sendRecording(recording));
  const accepted = await answer.json();
  if (!answer.ok) throw new Error(accepted.error.message);
  conversation.id = accepted.conversation_id;
  addWords("person", "You", text || recording.name);
  byId("text").value = "";
  byId("recording").value = "";
  byId("stages").replaceChildren();
  byId("turn-caption").textContent = `Turn ${accepted.turn_id}`;
  await follow(accepted.turn_id);
}

function sendText(text) {
  const body = { text, locale: byId("locale").value, conversation_id: conversation.id };
  return fetch("/v1/utterances", {
    method: "POST",
    headers: { "content-type": "application/json", ...authorization() },
    body: JSON.stringify(body),
  });
}

function sendRecording(file) {
  const query = new URLSearchParams({ locale: byId("locale").value, conversation_id: conversation.id });
  return fetch(`/v1/utterances?${query}`, {
    method: "POST",
    headers: { "content-type": file.type || "audio/wav", ...authorization() },
    body: file,
  });
}

// fetch instead of EventSource, which cannot send a token.
async function follow(turnId) {
  conversation.following?.abort();
  const following = new AbortController();
  conversation.following = following;
  try {
    const answer = await fetch(`/v1/turns/${turnId}/events`, { headers: authorization(), signal: following.signal });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    for await (const { type, data } of serverSentEvents(answer.body)) {
      showStage(data);
      if (data.reply?.text) addWords("parley", `Parley, ${plain(data.reply.kind, "REPLY_KIND_")} reply`, data.reply.text);
      if (type === "final") return;
    }
    throw new Error("The turn has no final reply yet. It goes on; ask for it by its id later.");
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

async function* serverSentEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (waiting + value).split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.data) yield { type: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function showStage(news) {
  const row = byId("stages").insertRow();
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = news.event.stage;
  row.append(name);
  row.insertCell().textContent = summary(news);
  for (const figure of [news.event.engine_ms, news.event.stage_ms, news.event.elapsed_ms]) {
    const cell = row.insertCell();
    cell.className = "number";
    cell.textContent = figure.toFixed(1);
  }
}

function summary(news) {
  const { transcript, understanding, decision, evidence } = news;
  const slots = (understanding?.slots ?? []).map((slot) => `${slot.name} = ${slot.value}`).join(", ");
  const acts = (decision?.acts ?? []).map((act) => plain(act.type, "DIALOGUE_ACT_TYPE_")).join(", ");
  const passages = (evidence?.passages ?? []).map((passage) => passage.title).join(", ");
  const outcomes = news.task_results.map((task) => `${task.action}: ${plain(task.outcome, "TASK_OUTCOME_")}`);
  const told = {
    gateway: news.utterance.text ?? "a recording",
    asr: transcript?.text || plain(transcript?.outcome, "TRANSCRIPT_OUTCOME_"),
    nlu: [understanding?.intent, slots].filter(Boolean).join(": "),
    dialogue: acts || decision?.reason,
    knowledge: passages || "nothing found",
    dispatch: outcomes.join(", "),
    generation: news.reply?.text,
  };
  return told[news.event.stage] ?? "";
}

function plain(name, prefix) {
  return (name ?? "").replace(prefix, "").toLowerCase().replaceAll("_", " ");
}

function addWords(side, who, words) {
  const item = document.createElement("li");
  item.className = side;
  const label = document.createElement("span");
  label.className = "who";
  label.textContent = who;
  item.append(label, words);
  byId("conversation").append(item);
}

function authorization() {
  const token = byId("token").value.trim();
  return token ? { authorization: `Bearer ${token}` } : {};
}

function complain(message) {
  byId("problem").hidden = !message;
  byId("problem").textContent = message;
}
