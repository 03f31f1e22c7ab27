// The duplicates page: its keys, and the strip below scrolled to the pair that is shown.
import { showCurrent } from "./deciding.js";

showCurrent(document.querySelector(".strip"));
