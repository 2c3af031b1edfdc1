/** What a peer without a SIP stack needs to answer. */

/** RFC 3261 8.2.6.2: the header lines that a response takes from its request, of the text of that, with a To tag. */
export function responseLines(request: string, tag: string): string[] {
  const copied = request.split('\r\n').filter((line) => /^(via|from|to|call-id|cseq):/i.test(line));
  return copied.map((line) => (/^to:/i.test(line) && !/;tag=/.test(line) ? `${line};tag=${tag}` : line));
}
