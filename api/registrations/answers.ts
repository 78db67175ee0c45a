import type { FaultPlace } from "../../fault.ts";
import type { NewRegistration, Question } from "./model.ts";

type Answers = NonNullable<NewRegistration["answers"]>;

/** What is missing in answers, was not asked, or is of another kind than the questions ask for. */
export function findFlaws(questions: Question[], answers: Answers): FaultPlace[] {
  const asked = new Set(questions.map(({ id }) => id));
  const unasked = Object.keys(answers).filter((id) => !asked.has(id));
  return [
    ...unasked.map((id) => ({ pointer: `/answers/${id}`, detail: "is not asked" })),
    ...questions.flatMap((question) => {
      const detail = findFlaw(question, Object.hasOwn(answers, question.id) ? answers[question.id] : undefined);
      return detail === undefined ? [] : [{ pointer: `/answers/${question.id}`, detail }];
    }),
  ];
}

function findFlaw({ kind, required, options = [] }: Question, answer: Answers[string] | undefined): string | undefined {
  if (answer === undefined || answer === "") return required ? "is required" : undefined;
  if (kind === "boolean") return typeof answer === "boolean" ? undefined : "is true or false";
  if (typeof answer !== "string") return "is a text";
  // The database keeps neither, and one would spoil the batch for all.
  if (answer.includes("\0") || !answer.isWellFormed()) return "holds U+0000 or half of a surrogate pair";
  if (kind === "choice" && !options.some((option) => optionId(option) === answer)) return "is none of the options";
  return undefined;
}

/** An option is a word, or has an id besides its label. */
function optionId(option: unknown): unknown {
  return typeof option === "object" && option !== null && "id" in option ? option.id : option;
}
