/** Laurel can't start, for a reason that its operator can remove: the message is one line that says what and how. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}
