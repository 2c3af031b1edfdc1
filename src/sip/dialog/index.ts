/** The dialog layer. */
export { Dialog, type DialogStart, recordRoutes } from './dialog.ts';
