// What forms gain from script; all of them work without it.
import { addReveals } from "./reveal.js";
import { sendOnce } from "./send_once.js";

addReveals(document);
sendOnce(document);
