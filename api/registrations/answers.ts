import { Fault, type FaultPlace } from "../../fault.ts";
import type { NewRegistration, Question } from "./model.ts";

type Answers = NonNullable<NewRegistration["answers"]>;

/** Answers as the questions ask for them; 422 naming each that is missing, unasked, or of another kind. */
export function readAnswers(questions: Question[], answers: Answers): Answers {
  const asked = new Map(questions.map((question) => [question.id, question]));
  const errors: FaultPlace[] = [];
  for (const id of Object.keys(answers))
    if (!asked.has(id)) errors.push({ pointer: `/answers/${id}`, detail: "is not asked" });
  for (const question of questions) {
    const detail = findFlaw(question, Object.hasOwn(answers, question.id) ? answers[question.id] : undefined);
    if (detail) errors.push({ pointer: `/answers/${question.id}`, detail });
  }
  if (errors.length > 0) throw new Fault("invalid", "Cannot register: the answers are not complete", { errors });
  return answers;
}

function findFlaw({ kind, required, options = [] }: Question, answer: Answers[string] | undefined): string | undefined {
  if (answer === undefined || answer === "") return required ? "is required" : undefined;
  if (kind === "boolean") return typeof answer === "boolean" ? undefined : "is true or false";
  if (typeof answer !== "string") return "is a text";
  if (kind === "choice" && !options.some((option) => optionId(option) === answer)) return "is none of the options";
  return undefined;
}

/** An option is a word, or has an id besides its label. */
function optionId(option: unknown): unknown {
  return typeof option === "object" && option !== null && "id" in option ? option.id : option;
}
