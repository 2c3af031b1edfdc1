/** One contender's measurement as a row: a value, or the reason why there is none. Nothing that one of them does ends the run of the others. */
import type { Row } from '../report.ts';

export async function measured(
  name: string,
  progress: (text: string) => void,
  measure: () => Promise<number>,
): Promise<Row> {
  try {
    const value = await measure();
    progress(`  ${name}: ${value.toFixed(2)}`);
    return { name, value };
  } catch (error) {
    const remark = (error as Error).message;
    progress(`  ${name}: ${remark}`);
    return { name, value: null, remark };
  }
}
