/** Answers of the application, given at once or later. */
import type { SipAnswer } from './types.ts';

/** Asks; `reply` gets the answer. What is thrown or rejected goes through `failed`. */
export function whenAnswered(
  ask: () => SipAnswer | Promise<SipAnswer>,
  failed: (error: unknown) => SipAnswer,
  reply: (answer: SipAnswer) => void,
): void {
  let answer: SipAnswer | Promise<SipAnswer>;
  try {
    answer = ask();
  } catch (error) {
    answer = failed(error);
  }
  if (!(answer instanceof Promise)) reply(answer);
  else answer.then(reply, (error: unknown) => reply(failed(error)));
}
