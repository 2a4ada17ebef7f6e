import "../style/tokens.css";
import "../style/parts.css";
