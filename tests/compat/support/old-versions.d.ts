// Their own types are out of the reach of Node's resolution.
declare module 'sio31' {
  export { io } from 'sio48';
}
declare module 'sio41' {
  export { io } from 'sio48';
}
