/** Selective recording: the first rule whose conditions all hold decides. */
import { matches } from '../config/patterns.ts';
import type { SelectiveRule } from '../config/types.ts';
import type { CallFacts } from './facts.ts';

/** @param random from 0 to below 1, asked only for a rule with a percentage and only when the rest of it holds */
export function matchingRule(
  rules: readonly SelectiveRule[],
  facts: CallFacts,
  now: () => Date,
  random: () => number,
): SelectiveRule | null {
  for (const rule of rules) {
    if (!holds(rule, facts)) continue;
    if (rule.time && !isWithin(rule.time, now())) continue;
    if (rule.percentage < 100 && random() * 100 >= rule.percentage) continue;
    return rule;
  }
  return null;
}

function holds({ from, to, trunk, header }: SelectiveRule, facts: CallFacts): boolean {
  if (from && !matches(from, facts.from)) return false;
  if (to && !matches(to, facts.to)) return false;
  if (trunk !== null && trunk !== facts.trunkIn && trunk !== facts.trunkOut) return false;
  if (!header) return true;
  const value = facts.header(header.name);
  return value !== undefined && matches(header.value, value.trim());
}

/**
 * Local time. A span that ends at or before its beginning lasts into the next day, and the day that counts is the one on which it
 * began.
 */
export function isWithin({ fromMin, toMin, days }: NonNullable<SelectiveRule['time']>, now: Date): boolean {
  const minute = now.getHours() * 60 + now.getMinutes();
  const today = now.getDay();
  if (fromMin < toMin) return days.includes(today) && minute >= fromMin && minute < toMin;
  const yesterday = (today + 6) % 7;
  return (days.includes(today) && minute >= fromMin) || (days.includes(yesterday) && minute < toMin);
}
