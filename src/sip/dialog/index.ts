/** The dialog layer. */
export { Dialog, type DialogStart } from './dialog.ts';
