/** The transaction layer: four machines without I/O, one heap of deadlines, one table. */
export { ClientTransaction } from './client-transaction.ts';
export { Alarm, DeadlineHeap, type Timed } from './deadlines.ts';
export { type ClientUser, TransactionLayer, type TransactionUser } from './layer.ts';
export { type ResponseDraft, ServerTransaction } from './server-transaction.ts';
export { T1, T1_64, T2, T4 } from './timers.ts';
