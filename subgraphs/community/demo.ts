import type { Sql } from '../db.ts';
import {
  demoChannels,
  demoCommunity,
  demoDays,
  demoDirectChannel,
  demoId,
  demoMoment,
  demoPeople,
  demoPrivateChannel,
  demoRandom,
  demoRoles,
} from '../demo.ts';
import { addChannels } from './channel.ts';
import { addCommunity } from './community.ts';
import { addFields, type NewField, setValues } from './field.ts';
import { addChanges, type FieldAction } from './field-history.ts';
import { addAdministrators } from './member.ts';
import { addRoles, assignRoles } from './role.ts';

/** Six custom fields; the first four have histories. */
const fields = [
  ['deposits', 'Deposits', 'Einzahlungen', 'NUMBER', 'Money paid in, in euros.'],
  ['trades', 'Trades', 'Trades', 'NUMBER', 'Trades made so far.'],
  ['lessons', 'Lessons', 'Lektionen', 'NUMBER', 'Lessons finished.'],
  ['riskScore', 'Risk score', 'Risiko', 'NUMBER', 'From 0 to 100, set anew each week.'],
  ['plan', 'Plan', 'Tarif', 'SELECT', 'What the person has booked.'],
  ['motto', 'Motto', 'Motto', 'TEXT', 'A line about oneself.'],
] as const;

const plans = ['FREE', 'PRO', 'EXPERT'];
const mottos = ['Slow is smooth.', 'Ask more.', 'Cut losses early.', 'Coffee first.'];

/** The community of the demo, its roles, its channels, its fields and what they hold. */
export async function loadDemo(sql: Sql, now: Date): Promise<void> {
  const { id: communityId, slug, name, timeZone, foundedDaysAgo } = demoCommunity;
  const founded = (minute: number) => demoMoment(now, foundedDaysAgo, minute);
  await addCommunity(sql, { id: communityId, slug, name, timeZone, createdAt: founded(0) });
  await addAdministrators(
    sql,
    communityId,
    demoPeople.slice(0, 1).map(({ id }) => id),
  );
  await addRoles(
    sql,
    communityId,
    demoRoles.map((role, n) => ({ ...role, createdAt: founded(30 + n) })),
  );
  for (const { id, holders } of demoRoles) {
    const userIds = holders.map((n) => demoPeople[n]?.id ?? '');
    await assignRoles(sql, communityId, id, userIds);
  }
  await addChannels(
    sql,
    communityId,
    [...demoChannels, demoPrivateChannel, demoDirectChannel].map((channel, n) => ({
      ...channel,
      createdAt: founded(n),
      updatedAt: founded(n),
    })),
  );
  const rows = fields.map(([key, en, de, type, description], n): NewField => {
    const at = founded(60 + n);
    const options = type === 'SELECT' ? plans : null;
    return {
      id: demoId('Field', n),
      key,
      name: { en, de },
      type,
      description,
      required: false,
      options,
      createdAt: at,
      updatedAt: at,
    };
  });
  await addFields(sql, communityId, rows);
  await setValues(
    sql,
    communityId,
    demoPeople.flatMap(({ id: userId, joinedDaysAgo }, n) => {
      const common = { userId, boolean: null, date: null, updatedAt: demoMoment(now, joinedDaysAgo, 700) };
      return [
        { ...common, fieldId: demoId('Field', 4), text: plans[n % plans.length] ?? null },
        { ...common, fieldId: demoId('Field', 5), text: mottos[n % mottos.length] ?? null },
      ];
    }),
  );
  await addChanges(sql, communityId, changes(now));
}

/** Some changes of each number for each person, oldest first, with their running sums. */
function changes(now: Date) {
  const random = demoRandom(2);
  let n = 0;
  return demoPeople.flatMap(({ id: userId }) =>
    [0, 1, 2, 3].flatMap((field) => {
      let sum = 0;
      const days = Array.from({ length: 3 + random(4) }, () => random(demoDays)).sort((a, b) => b - a);
      return days.map((daysAgo, at) => {
        const action: FieldAction =
          field === 3 || at === 0 ? 'OVERWRITE' : random(5) === 0 ? 'DECREASE' : 'INCREASE';
        const value = field === 0 ? 50 * (1 + random(20)) : 1 + random(field === 3 ? 100 : 10);
        sum = action === 'OVERWRITE' ? value : action === 'INCREASE' ? sum + value : sum - value;
        n++;
        return {
          id: demoId('FieldHistory', n),
          fieldId: demoId('Field', field),
          userId,
          action,
          value: String(value),
          resultingSum: String(sum),
          idempotencyKey: `demo-${n}`,
          createdAt: demoMoment(now, daysAgo, 480 + at * 60),
        };
      });
    }),
  );
}
